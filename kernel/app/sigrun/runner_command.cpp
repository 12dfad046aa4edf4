// sigrun runner ls|show|add|rm|drain|resume|maintenance|detect|migrate|reload
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/fact_view.hpp"
#include "kernel/app/sigrun/job_document.hpp"
#include "kernel/app/sigrun/lists.hpp"
#include "kernel/app/sigrun/runner_view.hpp"
#include "kernel/base/clock.hpp"

#include <charconv>

namespace sigrun::cli {
namespace {

struct runner_choice {
    std::string name, endpoint, profile, where, reason, plugin, to;
    std::string format;
    std::vector<std::string> labels, options, only;
    int slots = 0;
    bool force = false, facts = false, json = false;
};

/// A value of --option: a number, truth value or JSON object where it is one, else text.
json::value option_value(const std::string& text) {
    if (text == "true" || text == "false") return text == "true";
    if (text.starts_with("{"))
        if (auto object = parse_object(text)) return *object;
    std::int64_t number = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (!text.empty() && ec == std::errc{} && end == text.data() + text.size()) return number;
    return json::value(text);
}

json::object call_named(context& ctx, const char* method, json::object params) {
    const std::string name(text_or(params, "id"));
    try {
        return ctx.daemon().call_object(method, params);
    } catch (const failure& f) {
        if (f.what_happened().code != errc::not_found) throw;
        throw not_found_among(ctx, f.what_happened(), name, "runner", "runners.list", "name");
    }
}

int list_runners(context& ctx, const runner_choice& what) {
    json::object params;
    if (!what.where.empty()) params["where"] = what.where;
    const json::object all = list_all(ctx, "runners.list", params);
    if (ctx.json())
        context::print(json::serialize(all) + "\n");
    else
        context::print(!what.where.empty() && all.at("items").as_array().empty()
                           ? "no runner meets " + what.where + "\n" + std::string(text_or(all, "reason")) + "\n"
                           : runner_table(all.at("items").as_array(), ctx.out(), clock::system().wall_ns()));
    return k_ok;
}

int show(context& ctx, json::object runner, const runner_choice& what) {
    if (!what.only.empty()) {
        const auto* all = array_or_null(runner, "facts");
        auto facts = all ? facts_of(*all, what.only) : json::array{};
        if (facts.empty())
            throw failure(
                make_problem(errc::not_found, "no fact of " + what.name + " begins with " + joined(what.only)),
                "sigrun runner show " + what.name + " --facts lists all of them");
        if (!ctx.json() && !what.json) {
            context::print(fact_groups(facts, ctx.out()));
            return k_ok;
        }
        runner["facts"] = std::move(facts);
    }
    if (ctx.json() || what.json)
        context::print(json::serialize(runner) + "\n");
    else
        context::print(runner_details(runner, what.facts, ctx.out(), clock::system().wall_ns()));
    return k_ok;
}

int show_or_export(context& ctx, const runner_choice& what) {
    if (what.format.empty()) return show(ctx, call_named(ctx, "runners.get", {{"id", what.name}}), what);
    const auto out = call_named(ctx, "runners.export", {{"id", what.name}, {"format", what.format}});
    context::print(ctx.json() || what.json ? json::serialize(out) + "\n" : export_lines(out));
    return k_ok;
}

int add(context& ctx, const runner_choice& what) {
    json::object document{{"name", what.name}, {"endpoint", what.endpoint}};
    if (!what.profile.empty()) document["profile"] = what.profile;
    if (what.slots) document["slots"] = what.slots;
    json::object labels = need(pairs(what.labels, "--label"));
    if (!labels.empty()) document["labels"] = std::move(labels);
    json::object options = need(pairs(what.options, "--option"));
    for (auto& option : options) option.value() = option_value(std::string(option.value().get_string()));
    if (!options.empty()) document["options"] = std::move(options);
    const json::object runner = ctx.daemon().call_object("runners.add", {}, json::serialize(document));
    if (ctx.json())
        context::print(json::serialize(runner) + "\n");
    else if (text_or(runner, "status") == "offline")  // nobody can have answered yet
        context::print(what.name + " is added; connecting to " + what.endpoint + "\n");
    else
        context::print(runner_line(runner, ctx.out()));
    return k_ok;
}

int change(context& ctx, const char* method, const runner_choice& what) {
    json::object params{{"id", what.name}};
    if (!what.reason.empty()) params["reason"] = what.reason;
    if (what.force) params["force"] = true;
    const json::object runner = call_named(ctx, method, params);
    if (ctx.json())
        context::print(json::serialize(runner) + "\n");
    else if (std::string_view(method) == "runners.remove") {
        context::print(std::string(text_or(runner, "name", what.name)) + " is removed\n");
        if (text_or(runner, "endpoint").empty() && text_or(runner, "status") != "offline")
            ctx.note(
                "it dials in and will register again until it is stopped; `sigrun runner maintenance` keeps jobs away");
    } else
        context::print(runner_line(runner, ctx.out()));
    return k_ok;
}

std::string version_of(const json::object& record, std::string_view which) {
    const auto* one = object_or_null(record, which);
    return one ? std::string(text_or(*one, "version")) : std::string();
}

int reload_plugins_of(context& ctx, const runner_choice& what) {
    json::object params{{"id", what.name}};
    if (!what.plugin.empty()) params["plugin"] = what.plugin;
    const json::object done = call_named(ctx, "runners.reload", std::move(params));
    if (ctx.json()) context::print(json::serialize(done) + "\n");
    bool refused = false;
    std::string out;
    if (const auto* plugins = array_or_null(done, "plugins"))
        for (const auto& item : *plugins) {
            const auto* one = item.if_object();
            if (!one) continue;
            out += std::string(text_or(*one, "id"));
            if (const auto* why = object_or_null(*one, "error")) {
                refused = true;
                out += " was not replaced: " + std::string(text_or(*why, "message")) + "\n";
            } else if (bool_or(*one, "changed", false)) {
                out += ": " + version_of(*one, "old") + " -> " + version_of(*one, "new") + "\n";
            } else {
                out += ": its file holds what runs already\n";
            }
        }
    if (!ctx.json()) context::print(out.empty() ? "nothing has changed on " + what.name + "\n" : out);
    return refused ? k_refused : k_ok;
}

}  // namespace

void add_runner_commands(CLI::App& app, context& ctx) {
    auto what = std::make_shared<runner_choice>();
    auto* group = app.add_subcommand("runner", "The fleet: list, inspect, add, drain, remove");
    group->require_subcommand(1);
    group->footer(
        "Examples:\n"
        "  sigrun runner add build-1 10.0.0.7:7070            every protocol found there is used\n"
        "  sigrun runner add build-2 tls://10.0.0.9:7071 --option token=...\n"
        "  sigrun runner add old-1 http://10.0.0.8:8080 --profile rustci --slots 1\n"
        "  sigrun runner drain build-1 --reason 'disk swap'");
    auto action = [&ctx, what](CLI::App* sub, auto body) {
        sub->callback([&ctx, what, body] { ctx.action = [&ctx, what, body] { return body(ctx, *what); }; });
    };
    auto named = [&](const char* name, const char* doc) {
        auto* sub = group->add_subcommand(name, doc);
        sub->add_option("runner", what->name, "Name or id")->required()->type_name("RUNNER");
        return sub;
    };

    auto* ls = group->add_subcommand("ls", "List runners");
    ls->add_option("--where", what->where, "Only runners that meet this requirement")->type_name("EXPR");
    ls->footer("Example: sigrun runner ls --where 'label.zone == \"eu\" && cpu.effective_cores >= 4'");
    action(ls, list_runners);

    auto* show_app = named("show", "One runner: protocols, machine, statistics");
    show_app->add_flag("--facts", what->facts, "Every fact, not the summary");
    show_app->footer(
        "Examples:\n  sigrun runner show build-1 --facts\n  sigrun runner show build-1 --only gpu,memory\n"
        "  sigrun runner show build-1 --format nfd");
    show_app->add_option("--only", what->only, "Only facts whose key begins so, e.g. cpu or memory.limit")
        ->delimiter(',')
        ->type_name("PREFIX,...");
    show_app->add_flag("--json", what->json, "The same as --output json");
    show_app
        ->add_option("--format", what->format,
                     "The facts in the words of others: nfd (Node Feature Discovery's labels), reapi (properties of "
                     "the Remote Execution API)")
        ->check(CLI::IsMember({"nfd", "reapi"}));
    action(show_app, show_or_export);

    auto* add_app = group->add_subcommand("add", "Add a runner that listens");
    add_app->add_option("name", what->name, "What to call it")->required()->type_name("NAME");
    add_app
        ->add_option("endpoint", what->endpoint,
                     "HOST:PORT (its protocols are detected), tls://HOST:PORT (the same, encrypted) or a URL (only "
                     "that protocol)")
        ->required()
        ->type_name("ENDPOINT");
    add_app->add_option("--profile", what->profile, "rustci: a legacy HTTP runner")->check(CLI::IsMember({"rustci"}));
    add_app->add_option("-l,--label", what->labels, "Label; may be repeated")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    add_app->add_option("--slots", what->slots, "Jobs at a time, where the runner cannot tell")
        ->check(CLI::Range(1, 65535));
    add_app->add_option("--option", what->options, "Setting of the protocol for this runner; may be repeated")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    add_app->footer("Example: sigrun runner add build-1 10.0.0.7:7070 --label zone=eu");
    action(add_app, add);

    auto* rm = named("rm", "Remove a runner");
    rm->add_flag("--force", what->force, "Even if jobs run there; they are started elsewhere");
    rm->footer("Example: sigrun runner rm build-1");
    action(rm, [](context& c, const runner_choice& w) { return change(c, "runners.remove", w); });

    auto* drain = named("drain", "No new jobs; what runs may finish");
    drain->add_option("--reason", what->reason, "Shown to everybody who asks");
    drain->footer("Example: sigrun runner drain build-1 --reason 'disk swap'");
    action(drain, [](context& c, const runner_choice& w) { return change(c, "runners.drain", w); });

    auto* maintenance = named("maintenance", "No jobs until it is resumed");
    maintenance->add_option("--reason", what->reason, "Shown to everybody who asks");
    maintenance->footer("Example: sigrun runner maintenance build-1 --reason 'new disk'");
    action(maintenance, [](context& c, const runner_choice& w) { return change(c, "runners.maintenance", w); });

    auto* resume = named("resume", "Take jobs again after drain, maintenance or being set aside");
    resume->footer("Example: sigrun runner resume build-1");
    action(resume, [](context& c, const runner_choice& w) { return change(c, "runners.resume", w); });

    auto* detect = named("detect", "Find out now what it can do, without the cache");
    detect->add_flag("--facts", what->facts, "Every fact, not the summary");
    detect->footer("Example: sigrun runner detect build-1");
    action(detect, [](context& c, const runner_choice& w) {
        return show(c, call_named(c, "runners.detect", {{"id", w.name}}), w);
    });

    auto* migrate = named("migrate", "Its work goes over another protocol, also what runs; nothing stops");
    migrate->add_option("--to", what->to, "A protocol, kept until it breaks; auto gives the runner_choice back")
        ->required()
        ->type_name("PROTOCOL");
    migrate->footer("Example: sigrun runner migrate build-1 --to http");
    action(migrate, [](context& c, const runner_choice& w) {
        const json::object runner = call_named(c, "runners.migrate", {{"id", w.name}, {"to", w.to}});
        if (c.json())
            context::print(json::serialize(runner) + "\n");
        else
            context::print(std::string(text_or(runner, "name")) + " works over " +
                           std::string(text_or(runner, "rung")) + "\n");
        return static_cast<int>(k_ok);
    });

    auto* reload_app = named("reload", "Replace its plugins by what their files hold now, while jobs run");
    reload_app->add_option("plugin", what->plugin, "One plugin, e.g. sigrun.process; else all whose files changed")
        ->type_name("PLUGIN");
    reload_app->footer("Example: sigrun runner reload build-1 sigrun.process");
    action(reload_app, reload_plugins_of);
}

}  // namespace sigrun::cli
