// sigrun job ls|show|logs|artifacts|download|cancel|retry|explain; keygen, sign and verify are in job_signature_command.cpp
#include "kernel/app/sigrun/artifact_command.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/follow.hpp"
#include "kernel/app/sigrun/job_view.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/id.hpp"

#include <algorithm>

namespace sigrun::cli {
namespace {

constexpr int k_page = 1000;

/// Up to `limit` jobs, newest first, over as many pages as that takes.
json::object list_jobs(context& ctx, const std::string& state, const std::string& where, int limit) {
    json::array items;
    json::value next;
    for (;;) {
        json::object params{{"limit", std::min(limit - static_cast<int>(items.size()), k_page)}};
        if (!state.empty()) params["state"] = state;
        if (!where.empty()) params["where"] = where;
        if (next.is_string()) params["cursor"] = next;
        json::object page = ctx.daemon().call_object("jobs.list", params);
        const json::array* found = array_or_null(page, "items");
        if (!found) break;
        items.insert(items.end(), found->begin(), found->end());
        next = page["next"];
        if (!next.is_string() || found->empty() || static_cast<int>(items.size()) >= limit) break;
    }
    return {{"items", std::move(items)}, {"next", next}};
}

/// A full id as it is; anything shorter is the beginning or the end of one of the newest jobs' ids.
std::string full_id(context& ctx, const std::string& given) {
    if (id::parse(given)) return given;
    std::vector<std::string> matches;
    const json::object jobs = list_jobs(ctx, {}, {}, k_page);
    if (given.size() >= 4)
        for (const auto& item : jobs.at("items").as_array()) {
            const std::string one(text_or(item.as_object(), "id"));
            if (one.starts_with(given) || one.ends_with(given)) matches.push_back(one);
        }
    if (matches.size() == 1) return matches.front();
    if (matches.empty())
        throw failure(
            make_problem(errc::not_found, "no job \"" + given + "\" among the newest " + std::to_string(k_page)),
            "an id or at least 4 of its last digits; `sigrun job ls` lists them");
    std::string list;
    for (std::size_t i = 0; i < matches.size() && i < 5; ++i) list += (i ? ", " : "") + matches[i];
    throw failure(make_problem(errc::not_found, "\"" + given + "\" fits " + std::to_string(matches.size()) + " jobs"),
                  "which one? " + list);
}

int show(context& ctx, const std::string& given) {
    const std::string text = ctx.daemon().call("jobs.get", {{"id", full_id(ctx, given)}});
    if (ctx.json())
        context::print(text + "\n");
    else
        context::print(job_details(need(parse_object(text)), ctx.out(), clock::system().wall_ns()));
    return k_ok;
}

int explain(context& ctx, const std::string& given) {
    const std::string text = ctx.daemon().call("jobs.explain", {{"id", full_id(ctx, given)}});
    context::print(ctx.json() ? text + "\n" : explanation(need(parse_object(text)), ctx.out()));
    return k_ok;
}

/// A line for a job that was changed: its id, its state, and what `more` says of it.
template <class More>
void tell_state(context& ctx, const std::string& text, More more) {
    if (ctx.json()) return context::print(text + "\n");
    const json::object job = need(parse_object(text));
    const auto state = text_or(job, "state");
    context::print(std::string(text_or(job, "id")) + "  " + ctx.out().paint(state, style_of_state(state)) +
                   more(job, state) + "\n");
}

int cancel(context& ctx, const std::vector<std::string>& given, const std::string& grace) {
    for (const auto& one : given) {
        json::object params{{"id", full_id(ctx, one)}};
        if (!grace.empty()) params["grace"] = grace;
        tell_state(ctx, ctx.daemon().call("jobs.cancel", params), [](const json::object&, std::string_view state) {
            return std::string(state == "running" || state == "uploading" ? " (being stopped)" : "");
        });
    }
    return k_ok;
}

int retry(context& ctx, const std::vector<std::string>& given) {
    for (const auto& one : given) {
        tell_state(ctx, ctx.daemon().call("jobs.retry", {{"id", full_id(ctx, one)}}),
                   [](const json::object& job, std::string_view) {
                       return " (again: " + std::string(text_or(job, "retry_of")) + ")";
                   });
    }
    return k_ok;
}

struct job_choice {
    std::vector<std::string> ids;
    std::string state, where, grace;
    int limit = 20;
    bool follow = false;
    std::uint64_t offset = 0, attempt = 0;
    std::string since;
    std::optional<std::uint64_t> tail;
};

CLI::App* with_id(CLI::App& group, const char* name, const char* doc, job_choice& into, bool many = false) {
    auto* sub = group.add_subcommand(name, doc);
    auto* option = sub->add_option("id", into.ids, "Job id, or the end of one as `job ls` shows it")->required();
    option->type_name(many ? "ID..." : "ID");
    if (!many) option->expected(1);
    return sub;
}

}  // namespace

void add_job_commands(CLI::App& app, context& ctx) {
    auto what = std::make_shared<job_choice>();
    auto* group = app.add_subcommand("job", "Look at jobs, read their output, cancel or repeat them");
    group->require_subcommand(1);
    group->footer("Examples:\n  sigrun job ls --state running\n  sigrun job logs -f ID\n  sigrun job explain ID");

    auto* ls = group->add_subcommand("ls", "List jobs, newest first");
    ls->add_option("--state", what->state, "Only jobs in this state")
        ->check(CLI::IsMember({"delayed", "blocked", "queued", "offered", "running", "uploading", "succeeded", "failed",
                               "cancelled", "expired", "dead"}));
    ls->add_option("--where", what->where,
                   "Only jobs that this holds for, over job.state, job.queue, job.runner, label.NAME ...")
        ->type_name("EXPR");
    ls->add_option("-n,--limit", what->limit, "At most this many")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    ls->footer(
        "Examples:\n  sigrun job ls --state failed -n 50\n  sigrun job ls --where 'job.runner == \"r1\" && "
        "job.exit_code > 1'");
    ls->callback([&ctx, what] {
        ctx.action = [&ctx, what] {
            const json::object jobs = list_jobs(ctx, what->state, what->where, what->limit);
            if (ctx.json())
                context::print(json::serialize(jobs) + "\n");
            else
                context::print(job_table(jobs.at("items").as_array(), ctx.out(), clock::system().wall_ns()));
            return static_cast<int>(k_ok);
        };
    });

    auto* show_app = with_id(*group, "show", "Everything about one job", *what);
    show_app->footer("Example: sigrun job show 0c8e6a1d4b21");
    show_app->callback([&ctx, what] { ctx.action = [&ctx, what] { return show(ctx, what->ids.front()); }; });

    auto* logs = with_id(*group, "logs", "The output of a job", *what);
    logs->add_flag("-f,--follow", what->follow, "Go on until the job ends");
    auto* offset = logs->add_option("--offset", what->offset, "Begin at this byte");
    logs->add_option("--since", what->since, "Only what came then or later: 10m (ago), or 2026-01-05T10:00:00Z")
        ->type_name("DURATION|TIME")
        ->excludes(offset);
    logs->add_option("--tail", what->tail, "Only the last N lines of what is there now")
        ->type_name("N")
        ->excludes(offset);
    logs->add_option("--attempt", what->attempt, "Only the output of this attempt (1 = the first)")
        ->check(CLI::Range(1, 1'000'000));
    logs->footer(
        "Examples:\n"
        "  sigrun job logs -f --tail 20 0c8e6a1d4b21\n"
        "  sigrun job logs --since 5m --attempt 2 0c8e6a1d4b21\n"
        "With --output json: one object per piece of output. Output that is not kept ([jobs] log_limit) is told on\n"
        "stderr, or as an object with missing_bytes; stdout has the job's own bytes and no others.");
    add_artifact_commands(*group, ctx, [&ctx](const std::string& given) { return full_id(ctx, given); });

    logs->callback([&ctx, what] {
        ctx.action = [&ctx, what] {
            follow_options follow;
            follow.until_end = what->follow;
            follow.placement = false;
            follow.offset = what->offset;
            follow.since = what->since;
            follow.last_lines = what->tail;
            follow.attempt = what->attempt;
            follow_job(ctx, full_id(ctx, what->ids.front()), follow);
            return static_cast<int>(k_ok);
        };
    });

    auto* cancel_app = with_id(*group, "cancel", "Stop jobs: TERM to all their processes, then KILL", *what, true);
    cancel_app->add_option("--grace", what->grace, "Time between TERM and KILL (default: 10s)")->type_name("DURATION");
    cancel_app->footer("Example: sigrun job cancel 0c8e6a1d4b21 --grace 2s");
    cancel_app->callback([&ctx, what] { ctx.action = [&ctx, what] { return cancel(ctx, what->ids, what->grace); }; });

    auto* retry_app = with_id(*group, "retry", "The same again as a new job, of jobs that have ended", *what, true);
    retry_app->footer("Example: sigrun job retry 0c8e6a1d4b21");
    retry_app->callback([&ctx, what] { ctx.action = [&ctx, what] { return retry(ctx, what->ids); }; });

    add_job_signature_commands(*group, ctx);

    auto* explain_app = with_id(*group, "explain", "Why a job waits, or why it runs where it runs", *what);
    explain_app->footer("Example: sigrun job explain 0c8e6a1d4b21");
    explain_app->callback([&ctx, what] { ctx.action = [&ctx, what] { return explain(ctx, what->ids.front()); }; });
}

}  // namespace sigrun::cli
