// sigrun chaos: jobs go through this installation while somebody disturbs it, and each of them must have kept what is promised.
#include "kernel/app/sigrun/chaos_promises.hpp"
#include "kernel/app/sigrun/child_program.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/log_feed.hpp"
#include "kernel/app/sigrun/table.hpp"
#include "kernel/app/sigrun/units.hpp"
#include "kernel/base/id.hpp"

#include <sigrun/cpp/text.hpp>

#include <sys/wait.h>

#include <algorithm>
#include <map>
#include <set>

namespace sigrun::cli {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

struct chaos_choice {
    chaos_job job;
    int outstanding = 8;
    double seconds = 20;
    std::string durability;
    std::string disturb;
    double every = 5;
    double patience = 120;
};

nanoseconds time_of(double seconds) {
    return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(seconds));
}

/// Runs the user's command again and again, one at a time.
class disturber {
public:
    disturber(context& ctx, std::string command, nanoseconds every)
        : ctx_(ctx), command_(std::move(command)), every_(every), next_(steady_clock::now() + every) {}

    void look() {
        if (command_.empty()) return;
        if (running_) {
            const auto status = running_->ended();
            if (!status) return;
            running_.reset();
            if (*status != 0 && failed_++ == 0) {
                const int code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
                ctx_.note(sdk::concat("the command of --disturb ended with ", code));
            }
        }
        if (over_ || steady_clock::now() < next_) return;
        next_ = steady_clock::now() + every_;
        running_ = need(child_program::start({"sh", "-c", command_}, [](std::string_view) {}));
        ++times_;
    }
    /// Starts it no more; whether one still runs.
    bool winding_up() {
        over_ = true;
        look();
        return running_ != nullptr;
    }
    int times() const noexcept { return times_; }
    int failed() const noexcept { return failed_; }

private:
    context& ctx_;
    const std::string command_;
    const nanoseconds every_;
    steady_clock::time_point next_;
    std::unique_ptr<child_program> running_;
    int times_ = 0, failed_ = 0;
    bool over_ = false;
};

class chaos_run {
public:
    chaos_run(context& ctx, const chaos_choice& what)
        : ctx_(ctx), what_(what), disturber_(ctx, what.disturb, time_of(what.every)) {
        json::object document = what.job.document();
        if (!what.durability.empty()) document["durability"] = what.durability;
        document_ = json::serialize(document);
    }

    int go() {
        const auto until = steady_clock::now() + time_of(what_.seconds);
        while (steady_clock::now() < until && !interrupted_) {
            disturber_.look();
            if (open_.size() < static_cast<std::size_t>(what_.outstanding))
                submit();
            else
                pause(50ms);
            look_at_open();
        }
        while (disturber_.winding_up()) pause(50ms);
        // Quiet from here on: everything must become well by itself.
        const auto calm = steady_clock::now();
        while (!open_.empty() && steady_clock::now() < calm + time_of(what_.patience)) {
            look_at_open();
            if (!open_.empty()) pause(200ms);
        }
        settled_in_ = steady_clock::now() - calm;
        for (const auto& id : open_)
            broken_[id].push_back(
                sdk::concat("it has not ended within ", static_cast<int>(what_.patience), " s of quiet"));
        for (const auto& [id, told] : ended_) check(id, told);
        return report();
    }

private:
    void pause(nanoseconds how_long) {
        const auto until = steady_clock::now() + how_long;
        while (steady_clock::now() < until)
            if (ctx_.waits().wait_until(until) == waiter::outcome::interrupted) {
                // The first one ends the load; what was accepted is checked all the same.
                if (std::exchange(interrupted_, true))
                    throw failure(make_problem(errc::cancelled, "interrupted"), {}, failure::source::interrupt);
                return;
            }
    }

    /// Asked again with the same key when the answer was lost: then it is the same job.
    void submit() {
        const std::string key = sdk::concat("chaos-", run_.text(), "-", number_);
        try {
            const auto record = ctx_.insist("jobs.submit", {{"idempotency_key", key}}, document_);
            const std::string id(text_or(record, "id"));
            if (!ids_.emplace(id).second) broken_[id].push_back("two submits with keys of their own became this job");
            open_.push_back(id);
            ++number_;
        } catch (const failure& f) {
            const auto code = f.what_happened().code;
            if (f.from() != failure::source::answer || (code != errc::busy && code != errc::unavailable)) throw;
            ++refused_;  // nothing was accepted
            pause(200ms);
        }
    }

    void look_at_open() {
        std::erase_if(open_, [&](const std::string& id) {
            auto record = get(id);
            if (!record || !has_ended(*record)) return !record;
            ended_.emplace(id, std::move(*record));
            return true;
        });
    }

    std::optional<json::object> get(const std::string& id) {
        try {
            return ctx_.insist("jobs.get", {{"id", id}});
        } catch (const failure& f) {
            if (f.from() != failure::source::answer || f.what_happened().code != errc::not_found) throw;
            broken_[id].push_back("it was accepted, and the daemon does not know it");
            return std::nullopt;
        }
    }

    void check(const std::string& id, const json::object& told) {
        const auto now = get(id);
        if (!now) return;
        auto& found = broken_[id];
        if (!same_end(told, *now))
            found.push_back("its end has changed: " + json::serialize(told) + " is now " + json::serialize(*now));
        for (auto& each : what_.job.broken(*now, output_of(id))) found.push_back(std::move(each));
        const auto* attempts = array_or_null(*now, "attempts");
        attempts_ += attempts ? attempts->size() : 0;
    }

    /// All there is; again from the start when the daemon is lost meanwhile.
    std::string output_of(const std::string& id) {
        const auto give_up = steady_clock::now() + ctx_.daemon_timeout();
        for (;;) {
            auto feed = std::make_shared<log_feed>(ctx_.waits());
            std::string out;
            ctx_.insist("jobs.get", {{"id", id}});  // brings the way back
            ctx_.daemon().start("jobs.logs", json::serialize(json::object{{"id", id}}), {}, feed->replies(),
                                feed->done());
            std::optional<log_feed::ending> end;
            while (!(end = feed->ended()) && steady_clock::now() < give_up) {
                for (const auto& piece : feed->take()) out += piece.bytes();
                if (!feed->ended()) pause(20ms);
            }
            if (!end) feed->abandon();
            if (end && end->how) return out;
            if (!end || !end->by_transport || steady_clock::now() >= give_up)
                throw failure(end ? end->how.error() : make_problem(errc::timeout, "no output of job " + id + " came"));
        }
    }

    int report() {
        std::erase_if(broken_, [](const auto& each) { return each.second.empty(); });
        const bool passed = broken_.empty() && !ids_.empty();
        if (ctx_.json()) {
            json::array list;
            for (const auto& [id, what] : broken_)
                for (const auto& each : what) list.push_back(json::object{{"job", id}, {"broken", each}});
            context::print(json::serialize(json::object{{"passed", passed},
                                                        {"jobs", ids_.size()},
                                                        {"attempts", attempts_},
                                                        {"refused", refused_},
                                                        {"disturbed", disturber_.times()},
                                                        {"broken", std::move(list)}}) +
                           "\n");
            return passed ? k_ok : k_failed;
        }
        fields f;
        f.add("jobs", grouped(ids_.size()) + " accepted, " + grouped(attempts_) + " attempts");
        f.add("refused", grouped(refused_) + " submits, for a while");
        f.add("disturbed", std::to_string(disturber_.times()) + " times" +
                               (disturber_.failed() ? sdk::concat(", ", disturber_.failed(), " of them failed") : ""));
        f.add("quiet", open_.empty() ? "all had ended " + span_of_time(settled_in_.count()) + " after the last one"
                                     : sdk::concat(open_.size(), " have not ended"));
        f.add("result", {passed ? "PASS" : "FAIL", passed ? style::good : style::bad});
        context::print(f.render(ctx_.out()));
        for (const auto& [id, what] : broken_)
            for (const auto& each : what) context::print(sdk::concat("job ", id, ": ", each, "\n"));
        if (ids_.empty()) context::print("no job was accepted, so nothing was shown\n");
        return passed ? k_ok : k_failed;
    }

    context& ctx_;
    const chaos_choice& what_;
    disturber disturber_;
    std::string document_;
    const id run_ = id::make();
    std::uint64_t number_ = 0, refused_ = 0, attempts_ = 0;
    std::set<std::string> ids_;
    std::vector<std::string> open_;
    std::map<std::string, json::object> ended_;  // as they were first told
    std::map<std::string, std::vector<std::string>> broken_;
    nanoseconds settled_in_{0};
    bool interrupted_ = false;
};

}  // namespace

void add_chaos_command(CLI::App& app, context& ctx) {
    auto what = std::make_shared<chaos_choice>();
    auto* sub = app.add_subcommand("chaos", "Disturb this installation, and see that no job is lost, doubled or cut");
    sub->add_option("--seconds", what->seconds, "Start new jobs for this long")
        ->check(CLI::Range(0.1, 86400.0))
        ->capture_default_str();
    sub->add_option("--outstanding", what->outstanding, "Jobs under way at a time")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    sub->add_option("--job-seconds", what->job.seconds, "How long each job takes")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    sub->add_option("--job-lines", what->job.lines, "Lines that each job prints")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    sub->add_option("--requires,--require", what->job.requires_text, "What the runners must have")->type_name("EXPR");
    sub->add_option("--durability", what->durability, "fsync (default) or relaxed")
        ->check(CLI::IsMember({"fsync", "relaxed"}));
    sub->add_option("--disturb", what->disturb,
                    "A command of yours that does harm; a shell runs it. Without it nothing is harmed")
        ->type_name("COMMAND");
    sub->add_option("--every", what->every, "Seconds from one --disturb to the next")
        ->check(CLI::Range(0.1, 86400.0))
        ->capture_default_str();
    sub->add_option("--patience", what->patience, "Seconds of quiet in which every job must end")
        ->check(CLI::Range(1.0, 86400.0))
        ->capture_default_str();
    sub->footer(
        "Examples:\n"
        "  sigrun chaos --disturb 'systemctl kill -s KILL sigrun-runner' --every 4\n"
        "  sigrun chaos --seconds 60 --disturb 'systemctl kill -s KILL sigrund' --requires 'label.zone == \"lab\"'\n"
        "Its jobs are small shell scripts that may run twice. Of each accepted one is checked: it ends, once, by "
        "itself and with\n"
        "success; one attempt was accepted, the last; its output is what that attempt printed. Exit code 7: something "
        "is broken.");
    sub->callback([&ctx, what] { ctx.action = [&ctx, what] { return chaos_run(ctx, *what).go(); }; });
}

}  // namespace sigrun::cli
