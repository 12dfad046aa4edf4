// sigrun demand
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/demand_view.hpp"
#include "kernel/base/quantity.hpp"

namespace sigrun::cli {
namespace {

struct demand_choice {
    std::string cls, queue, tenant, hold, idle, every = "2s";
    unsigned limit = 20;
    bool watch = false, json = false;
};

json::object params_of(const demand_choice& what) {
    json::object params{{"limit", what.limit}};
    for (const auto& [name, value] : {std::pair<const char*, const std::string&>("class", what.cls),
                                      {"queue", what.queue},
                                      {"tenant", what.tenant},
                                      {"hold", what.hold},
                                      {"idle", what.idle}})
        if (!value.empty()) params[name] = value;
    return params;
}

int tell(context& ctx, const demand_choice& what) {
    constexpr nanoseconds k_soonest = std::chrono::milliseconds(100), k_latest = std::chrono::hours(1);
    const auto every = need(parse_duration(what.every));
    if (every < k_soonest || every > k_latest)
        throw failure(bad_value("--every", "a duration from 100ms to 1h", what.every));
    const auto params = params_of(what);
    for (;;) {
        const json::object demand = ctx.daemon().call_object("demand.get", params);
        if (ctx.json() || what.json)
            context::print(json::serialize(demand) + "\n");
        else
            // On a terminal each look takes the place of the one before.
            context::print((what.watch && ctx.out().width ? "\x1b[H\x1b[2J" : "") + demand_text(demand, ctx.out()));
        if (!what.watch) return k_ok;
        if (ctx.waits().wait_until(std::chrono::steady_clock::now() + every) == waiter::outcome::interrupted)
            return k_ok;  // the way to end it
        if (!ctx.json() && !what.json && !ctx.out().width) context::print("\n");
    }
}

}  // namespace

void add_demand_command(CLI::App& app, context& ctx) {
    auto what = std::make_shared<demand_choice>();
    auto* sub = app.add_subcommand("demand", "What jobs wait for, class by class: how many places are missing");
    sub->add_option("--class", what->cls, "Only this class, as the table names it");
    sub->add_option("--queue", what->queue, "Only jobs of this queue");
    sub->add_option("--tenant", what->tenant, "Only jobs of this tenant");
    sub->add_option("--hold", what->hold, "A job that waits for less than this is not missing a place yet")
        ->type_name("DURATION");
    sub->add_option("--idle", what->idle, "Runners without a job for so long are idle (default: 5m)")
        ->type_name("DURATION");
    sub->add_option("--limit", what->limit, "Classes that are told one by one; the others are summed")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    sub->add_flag("--watch", what->watch, "Again and again, until Ctrl-C");
    sub->add_option("--every", what->every, "How often, with --watch")->type_name("DURATION")->capture_default_str();
    sub->add_flag("--json", what->json, "The same as --output json");
    sub->footer(
        "MISSING: places that are missing now to start all jobs that wait for one. NO RUNNER: jobs for which no known\n"
        "runner matches. HELD: jobs that wait for something else, which no runner would help.\n\n"
        "Examples:\n  sigrun demand --watch\n  sigrun demand --queue nightly --json | jq .total.shortfall");
    sub->callback([&ctx, what] { ctx.action = [&ctx, what] { return tell(ctx, *what); }; });
}

}  // namespace sigrun::cli
