// sigrun bench: keeps N jobs in flight over one link and measures from submit to result.
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/job_document.hpp"
#include "kernel/app/sigrun/job_flags.hpp"
#include "kernel/app/sigrun/latency_histogram.hpp"
#include "kernel/app/sigrun/table.hpp"
#include "kernel/app/sigrun/units.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cstdio>
#include <mutex>

namespace sigrun::cli {
namespace {

using std::chrono::steady_clock;

struct bench_choice {
    job_options job;
    std::vector<std::string> requirements;  // of job after job, by turns
    int outstanding = 16;
    std::uint64_t jobs = 0;
    double seconds = 5;
};

/// N slots, each with one call in flight; the end of a call starts the next one on the same thread.
class load_generator {
public:
    load_generator(client& daemon, std::vector<std::string> documents, const bench_choice& what)
        : daemon_(daemon), documents_(std::move(documents)), left_(what.jobs ? what.jobs : ~std::uint64_t{0}) {
        slots_.reserve(static_cast<std::size_t>(what.outstanding));
        for (int i = 0; i < what.outstanding; ++i) slots_.push_back(std::make_unique<slot>(*this));
    }

    void start() {
        began_ = steady_clock::now();
        busy_.store(slots_.size());
        for (auto& s : slots_) pump(*s);
    }
    void stop() noexcept { left_.store(0); }
    bool finished() const noexcept { return busy_.load(std::memory_order_acquire) == 0; }
    double seconds() const {
        return std::chrono::duration<double>(nanoseconds(last_end_.load()) - began_.time_since_epoch()).count();
    }
    const latency_histogram& latencies() const noexcept { return latencies_; }
    std::uint64_t errors() const noexcept { return errors_.load(); }
    std::string first_error() const {
        std::lock_guard lock(error_mutex_);
        return first_error_;
    }

private:
    struct slot {
        explicit slot(load_generator& o) : owner(o) {}
        load_generator& owner;
        steady_clock::time_point sent;
        bool succeeded = false;
        // A call may end before start() returned: then the loop in pump goes on, else the callback calls
        // pump.
        enum : int { k_starting, k_in_flight, k_ended };
        std::atomic<int> phase{k_starting};
    };

    void pump(slot& s) {
        for (;;) {
            if (!take_one()) {
                // Once the last slot is idle the main thread may destroy this object.
                waiter& waits = daemon_.waits();
                if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) waits.wake();
                return;
            }
            s.succeeded = false;
            s.phase.store(slot::k_starting, std::memory_order_relaxed);
            s.sent = steady_clock::now();
            slot* at = &s;
            daemon_.start(
                "jobs.submit", k_params, documents_[next_.fetch_add(1, std::memory_order_relaxed) % documents_.size()],
                [at](const reply_view& reply) { return at->owner.on_reply(*at, reply); },
                [at](const result<void>& how) { at->owner.on_done(*at, how); });
            int expected = slot::k_starting;
            if (s.phase.compare_exchange_strong(expected, slot::k_in_flight, std::memory_order_acq_rel)) return;
        }
    }

    bool take_one() noexcept {
        auto left = left_.load(std::memory_order_relaxed);
        while (left > 0)
            if (left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) return true;
        return false;
    }

    sigrun_result on_reply(slot& s, const reply_view& reply) {
        s.succeeded = !reply.error && reply.json.find("\"state\":\"succeeded\"") != std::string_view::npos;
        if (!s.succeeded)
            fail(reply.error ? problem::from_json(reply.json).text() : std::string(reply.json.substr(0, 400)));
        return SIGRUN_OK;
    }

    void on_done(slot& s, const result<void>& how) {
        const auto now = steady_clock::now();
        if (!how) {
            fail(how.error().code == errc::busy
                     ? std::string("the daemon takes no more calls at a time on one connection: lower --outstanding")
                     : "lost the daemon: " + how.error().text());
            stop();
        } else if (s.succeeded) {
            latencies_.record(static_cast<std::uint64_t>(nanoseconds(now - s.sent).count()));
            last_end_.store(nanoseconds(now.time_since_epoch()).count(), std::memory_order_relaxed);
        }
        if (s.phase.exchange(slot::k_ended, std::memory_order_acq_rel) == slot::k_in_flight) pump(s);
    }

    void fail(std::string why) {
        if (errors_.fetch_add(1, std::memory_order_relaxed) + 1 >= k_most_errors) stop();
        std::lock_guard lock(error_mutex_);
        if (first_error_.empty()) first_error_ = std::move(why);
    }

    static constexpr std::uint64_t k_most_errors = 1000;
    static constexpr const char* k_params = R"({"wait":"30s"})";
    client& daemon_;
    const std::vector<std::string> documents_;  // by turns; one at least
    std::atomic<std::uint64_t> next_{0};
    std::vector<std::unique_ptr<slot>> slots_;
    std::atomic<std::uint64_t> left_;
    std::atomic<std::size_t> busy_{0};
    std::atomic<std::uint64_t> errors_{0};
    std::atomic<std::int64_t> last_end_{0};
    steady_clock::time_point began_;
    latency_histogram latencies_;
    mutable std::mutex error_mutex_;
    std::string first_error_;
};

/// A JSON number without an exponent.
std::string plain(double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%.3f", value);
    return text;
}

int report(context& ctx, const bench_choice& what, const load_generator& load, std::size_t document_bytes) {
    const std::uint64_t jobs = load.latencies().count();
    const double seconds = jobs ? load.seconds() : 0;
    const double rate = seconds > 0 ? static_cast<double>(jobs) / seconds : 0;
    auto us = [&](double q) { return static_cast<double>(load.latencies().quantile(q)) / 1000.0; };
    if (ctx.json()) {
        context::print(sdk::concat("{\"jobs\":", jobs, ",\"seconds\":", plain(seconds), ",\"jobs_per_s\":", plain(rate),
                                   ",\"p50_us\":", plain(us(0.5)), ",\"p99_us\":", plain(us(0.99)),
                                   ",\"errors\":", load.errors(), ",\"outstanding\":", what.outstanding, "}\n"));
    } else {
        auto time = [&](double q) { return span_of_time(static_cast<std::int64_t>(load.latencies().quantile(q))); };
        fields f;
        f.add("jobs", grouped(jobs) + " succeeded in " + span_of_time(static_cast<std::int64_t>(seconds * 1e9)));
        f.add("rate", {grouped(static_cast<std::uint64_t>(rate)) + " jobs/s", style::strong});
        f.add("p50", time(0.5));
        f.add("p99", time(0.99));
        f.add("p99.9", time(0.999));
        f.add("in flight", std::to_string(what.outstanding) + " over one connection to " + ctx.daemon().url());
        f.add("document", std::to_string(document_bytes) + " bytes");
        f.add("errors", {std::to_string(load.errors()), load.errors() ? style::bad : style::good});
        context::print(f.render(ctx.out()));
    }
    if (load.errors())
        throw failure(make_problem(
            errc::internal, std::to_string(load.errors()) + " jobs did not succeed, the first: " + load.first_error()));
    return k_ok;
}

int bench(context& ctx, bench_choice& what) {
    what.job.command.insert(what.job.command.end(), ctx.command_words.begin(), ctx.command_words.end());
    std::vector<std::string> documents;
    if (what.requirements.empty()) what.requirements.emplace_back();
    for (const auto& requirement : what.requirements) {
        what.job.requires_text = requirement;
        documents.push_back(json::serialize(need(job_document(what.job))));
    }
    const std::size_t bytes = documents.front().size();
    client& daemon = ctx.daemon();
    // Callbacks of the last calls may still run when this function is left: the generator goes after the
    // connection.
    auto load = std::make_unique<load_generator>(daemon, std::move(documents), what);
    load->start();
    auto until = what.jobs ? steady_clock::time_point::max()
                           : steady_clock::now() +
                                 std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(what.seconds));
    bool stopping = false;
    while (!load->finished()) {
        const auto now = steady_clock::now();
        const auto outcome = ctx.waits().wait_until(std::min(until, now + std::chrono::hours(1)));
        const bool time_is_up = steady_clock::now() >= until;
        if (outcome != waiter::outcome::interrupted && !time_is_up) continue;
        if (stopping) {
            // Let go of the link first: its callbacks use the generator.
            ctx.hang_up();
            throw failure(make_problem(errc::timeout, "jobs still in flight did not end"));
        }
        stopping = true;
        load->stop();
        until = steady_clock::now() + std::chrono::seconds(35);  // the longest wait of a call in flight, and some
    }
    return report(ctx, what, *load, bytes);
}

}  // namespace

void add_bench_command(CLI::App& app, context& ctx) {
    auto what = std::make_shared<bench_choice>();
    what->job.kind = "call";
    auto* sub = app.add_subcommand("bench", "Measure jobs per second and latency through this daemon");
    sub->add_option("--kind", what->job.kind, "call or process")->capture_default_str();
    sub->add_option("--command", what->job.command, "What to run, e.g. echo; or put it behind --")
        ->type_name("WORD...");
    sub->add_option("--payload", what->job.payload, "Input of a call; @FILE reads a file")->type_name("TEXT");
    sub->add_option("--outstanding", what->outstanding, "Jobs in flight at a time")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    sub->add_option("--seconds", what->seconds, "Start new jobs for this long")
        ->check(CLI::Range(0.01, 86400.0))
        ->capture_default_str();
    sub->add_option("--jobs", what->jobs, "Run this many jobs instead")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40));
    sub->add_option("--requires,--require", what->requirements,
                    "What the runner must have; of several, each job has the next one")
        ->type_name("EXPR")
        ->allow_extra_args(false);
    add_protocol_flags(*sub, what->job);
    sub->add_option("--balancer", what->job.balancer, "Balancing algorithm")->type_name("NAME");
    sub->add_option("--durability", what->job.durability, "fsync (default), relaxed or memory");
    sub->footer(
        "Examples:\n"
        "  sigrun bench --kind call --command echo --payload hello --outstanding 64 --seconds 10 "
        "--durability memory\n"
        "  sigrun bench --kind process --outstanding 4 --jobs 200 -- true\n"
        "A job counts when its result has arrived here. Ctrl-C and 1000 errors end early.");
    sub->callback([&ctx, what] { ctx.action = [&ctx, what] { return bench(ctx, *what); }; });
}

}  // namespace sigrun::cli
