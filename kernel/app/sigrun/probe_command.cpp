// sigrun probe: what can be found out about this machine, without any daemon.
#include "kernel/app/sigrun/benchmark_run.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/explain_view.hpp"
#include "kernel/app/sigrun/fact_view.hpp"
#include "kernel/app/sigrun/loaded_plugins.hpp"
#include "kernel/app/sigrun/probe_watch.hpp"
#include "kernel/app/sigrun/units.hpp"
#include "kernel/capability/detector.hpp"
#include "kernel/capability/explanation.hpp"
#include "kernel/capability/export/export.hpp"

#include <sigrun/probe.h>

#include <future>

namespace sigrun::cli {
namespace {

struct probe_choice {
    std::vector<std::string> only;
    std::string sysroot, explain, format;
    bool json = false, thorough = false, benchmark = false, watch = false;
};

capability_ptr run_probes(context& ctx, detector& from, const detect_options& options) {
    auto arrived = std::make_shared<std::promise<capability_ptr>>();
    auto found = arrived->get_future();
    from.detect(options, [arrived](capability_ptr document) { arrived->set_value(std::move(document)); });
    if (found.wait_for(ctx.daemon_timeout()) != std::future_status::ready)
        throw failure(make_problem(errc::timeout, "the probes did not end within " + ctx.options.timeout),
                      "allow more with --timeout, or ask for less with --only");
    return found.get();
}

/// What is asked for, as probes declare their keys: without the record and the field.
std::string prefix_of(std::string_view asked) { return std::string(asked.substr(0, asked.find_first_of("[*"))); }

int explain_facts(context& ctx, const probe_choice& what, detector& from, detect_options options) {
    auto probes = from.evidence(what.sysroot);
    auto found = explain(probes, what.explain);
    if (!found) {
        // Of a mistyped key the nearest one may be of a probe that was not asked.
        options.only.clear();
        options.fresh = false;
        run_probes(ctx, from, options);
        probes = from.evidence(what.sysroot);
        found = explain(probes, what.explain);
    }
    if (!found) {
        ctx.complain(failure(found.error(), "sigrun probe lists all keys"));
        return k_usage;
    }
    json::array list;
    const auto now = clock::system().wall_ns();
    for (const auto& key : *found) list.emplace_back(to_json(key, what.sysroot, now));
    context::print(ctx.json() || what.json ? json::serialize(json::object{{"explained", list}}) + "\n"
                                           : explained_facts(list, ctx.out()));
    return k_ok;
}

int probe(context& ctx, const probe_choice& what) {
    if (what.watch) (void)ctx.waits();  // before any other thread, so that Ctrl-C comes to this one
    loaded_plugins plugins(ctx.plugins(), {SIGRUN_KIND_PROBE}, no_settings());
    plugins.load();
    plugins.start();
    if (plugins.host().instances(SIGRUN_KIND_PROBE).empty())
        throw failure(make_problem(errc::unavailable, "no probe plugin in " + ctx.plugins()),
                      "name the plugin folder with --plugin-dir or SIGRUN_PLUGIN_DIR");
    const auto begin = std::chrono::steady_clock::now();
    detector detect(plugins.host(), clock::system(), "/proc/self/exe");
    detect_options options;
    options.sysroot = what.sysroot;
    options.only = what.benchmark ? with_tier_evidence(what.only) : what.only;
    if (!what.explain.empty()) options.only = {what.explain == "os.arch" ? "host.arch" : prefix_of(what.explain)};
    options.fresh = true;
    capability_ptr facts;
    for (int runs = what.thorough ? 2 : 1; runs > 0; --runs) facts = run_probes(ctx, detect, options);
    if (what.benchmark) facts = measure(ctx, detect, *facts, what.only);
    if (!what.explain.empty()) return explain_facts(ctx, what, detect, options);
    if (!what.format.empty()) {
        const auto out = need(export_facts(*facts, what.format));
        context::print(ctx.json() || what.json ? json::serialize(out) + "\n" : export_lines(out));
        return k_ok;
    }
    const json::array list = facts->to_json();
    const auto took = std::chrono::steady_clock::now() - begin;
    const auto watch = [&] {
        return watch_facts(ctx, plugins.host(), detect, options, facts, ctx.json() || what.json);
    };
    if (ctx.json() || what.json) {
        context::print(json::serialize(json::object{{"facts", list}}) + "\n");
        return what.watch ? watch() : k_ok;
    }
    if (list.empty()) {
        throw failure(make_problem(errc::not_found, "no fact begins with " + joined(what.only)),
                      "sigrun probe lists all of them; perf is measured by sigrun probe --benchmark");
    }
    context::print(fact_groups(list, ctx.out()) + "\n" +
                   ctx.out().paint(count_of(list.size(), "fact") + " from " +
                                       count_of(plugins.host().instances(SIGRUN_KIND_PROBE).size(), "probe") + " in " +
                                       span_of_time(took.count()),
                                   style::faint) +
                   "\n");
    return what.watch ? watch() : k_ok;
}

}  // namespace

void add_probe_command(CLI::App& app, context& ctx) {
    auto what = std::make_shared<probe_choice>();
    auto* sub = app.add_subcommand("probe", "What can be found out about this machine (needs no daemon)");
    sub->add_option("--only", what->only, "Only facts whose key begins so, e.g. cpu or memory.limit")
        ->delimiter(',')
        ->type_name("PREFIX,...");
    sub->add_option("--sysroot", what->sysroot, "Read /proc, /sys and /etc below this folder")->type_name("DIR");
    sub->add_flag("--thorough", what->thorough,
                  "Run the probes twice: some put off what takes long, such as asking programs for their versions");
    sub->add_flag("--benchmark", what->benchmark,
                  "Measure processors, memory and disk, too, and tell the machine's tier: 3 s at most, in which all "
                  "processors are "
                  "busy and up to 64 MiB are written to the current folder's disk")
        ->excludes("--sysroot");
    sub->add_option("--format", what->format,
                    "In the words of others: nfd (Node Feature Discovery's labels), reapi (properties of the Remote "
                    "Execution API)")
        ->check(CLI::IsMember({"nfd", "reapi"}));
    sub->add_option("--explain", what->explain,
                    "Where a fact comes from: every probe's answer, its source and raw text, and why one counts. A "
                    "key, a field of "
                    "a list, or what keys begin with")
        ->type_name("KEY")
        ->excludes("--format")
        ->excludes("--only");
    sub->add_flag("--watch", what->watch,
                  "Go on and print what changes, a line each: + there now, - gone, ~ another value; Ctrl-C ends it")
        ->excludes("--explain")
        ->excludes("--format")
        ->excludes("--benchmark");
    sub->add_flag("--json", what->json,
                  "The same as --output json: value, source, method, confidence, age of each fact; with --watch an "
                  "object a line");
    sub->footer(
        "Examples:\n  sigrun probe --only cpu,memory\n  sigrun probe --benchmark --only perf,tier\n  sigrun probe "
        "--explain 'nic[0].speed_bps'\n  sigrun probe --watch --only nic,fs\n  sigrun probe --json | jq '.facts[] | "
        "select(.status "
        "!= \"ok\")'");
    sub->callback([&ctx, what] { ctx.action = [&ctx, what] { return probe(ctx, *what); }; });
}

}  // namespace sigrun::cli
