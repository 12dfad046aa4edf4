// sigrun events
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/event_view.hpp"

#include <condition_variable>
#include <mutex>

namespace sigrun::cli {
namespace {

/// Events on their way from the plugin's thread to the main thread; bounded, the thread waits when stdout is
/// slow.
class event_feed {
public:
    explicit event_feed(waiter& waits) : waits_(waits) {}

    sigrun_result put(const reply_view& reply) {
        {
            std::unique_lock lock(mutex_);
            if (reply.error) {
                end_ = failure(problem::from_json(reply.json));
            } else if (!reply.json.empty()) {
                room_.wait(lock, [&] { return abandoned_ || waiting_.size() < k_most; });
                if (abandoned_) return SIGRUN_E_CANCELLED;
                waiting_.emplace_back(reply.json);
            }
        }
        waits_.wake();
        return SIGRUN_OK;
    }
    void finish(const result<void>& how) {
        {
            std::lock_guard lock(mutex_);
            if (!end_ && !how)
                end_ = failure(make_problem(errc::io, "lost the daemon: " + how.error().text()), {},
                               failure::source::transport);
            else if (!end_)
                end_ = failure(make_problem(errc::io, "the daemon ended the stream"), {}, failure::source::transport);
        }
        waits_.wake();
    }
    std::vector<std::string> take() {
        std::vector<std::string> out;
        {
            std::lock_guard lock(mutex_);
            out.swap(waiting_);
        }
        room_.notify_all();
        return out;
    }
    std::optional<failure> end() {
        std::lock_guard lock(mutex_);
        return waiting_.empty() ? end_ : std::nullopt;
    }
    void abandon() {
        {
            std::lock_guard lock(mutex_);
            abandoned_ = true;
        }
        room_.notify_all();
    }

private:
    static constexpr std::size_t k_most = 4096;
    waiter& waits_;
    std::mutex mutex_;
    std::condition_variable room_;
    std::vector<std::string> waiting_;
    std::optional<failure> end_;
    bool abandoned_ = false;
};

struct events_choice {
    std::vector<std::string> types;
    std::uint64_t after = 0;
    bool from_now = true;
    std::uint64_t count = 0;
};

std::shared_ptr<event_feed> open_feed(context& ctx, const json::object& params) {
    auto feed = std::make_shared<event_feed>(ctx.waits());
    ctx.daemon().start(
        "events.watch", params.empty() ? std::string() : json::serialize(params), {},
        [feed](const reply_view& reply) { return feed->put(reply); },
        [feed](const result<void>& how) { feed->finish(how); });
    return feed;
}

int watch(context& ctx, const events_choice& what) {
    json::object params;
    std::string types;
    for (const auto& t : what.types) types += (types.empty() ? "" : ",") + t;
    if (!types.empty()) params["types"] = types;
    if (!what.from_now) params["after"] = what.after;
    auto feed = open_feed(ctx, params);
    struct abandon_at_end {
        std::shared_ptr<event_feed>& feed;
        ~abandon_at_end() { feed->abandon(); }
    } guard{feed};
    std::uint64_t shown = 0;
    bool resumable = false;  // something came since the stream was opened, so it can be gone on with behind that
    for (;;) {
        for (const auto& text : feed->take()) {
            auto event = parse_object(text);
            if (event && event->contains("seq")) {
                params["after"] = (*event)["seq"];
                resumable = true;
            }
            if (ctx.json())
                context::print(text + "\n");
            else if (event)
                context::print(event_line(*event, ctx.out()));
            if (what.count && ++shown == what.count) return k_ok;
        }
        if (auto end = feed->end()) {
            // A stream may be cut when the plugin under it was replaced and its time is up.
            if (end->from() != failure::source::transport || !std::exchange(resumable, false)) throw failure(*end);
            feed = open_feed(ctx, params);
            continue;
        }
        if (ctx.waits().wait_until(std::chrono::steady_clock::now() + std::chrono::hours(1)) ==
            waiter::outcome::interrupted)
            return k_ok;  // the way to end an endless stream
    }
}

}  // namespace

void add_events_command(CLI::App& app, context& ctx) {
    auto what = std::make_shared<events_choice>();
    auto* sub = app.add_subcommand("events", "Watch what happens, until Ctrl-C");
    sub->add_option("--type", what->types, "Only types that begin so: Runner, Job, Plugin, RunnerStatusChanged ...")
        ->delimiter(',')
        ->type_name("PREFIX,...");
    auto* after = sub->add_option("--after", what->after, "Begin after this sequence number (0: from the oldest kept)");
    sub->add_option("-n,--count", what->count, "End after this many events");
    sub->footer("Examples:\n  sigrun events --type Runner\n  sigrun events --output json --after 0 | jq .type");
    sub->callback([&ctx, what, after] {
        what->from_now = after->count() == 0;
        ctx.action = [&ctx, what] { return watch(ctx, *what); };
    });
}

}  // namespace sigrun::cli
