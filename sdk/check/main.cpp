// sigrun-plugin-check: does a plugin keep the rules of the SDK? Exit code 0: it does, 1: it breaks one, 2: cannot tell.
#include "child.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/log/log.hpp"
#include "output.hpp"
#include "rules.hpp"
#include "waivers.hpp"

#include <CLI/CLI.hpp>

#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

namespace {

using namespace sigrun;
using namespace sigrun::check;

struct group {
    std::string_view name;
    std::vector<test> tests;
    bool is_gate;  // when it fails there is no use in going on
};

std::vector<group> groups() {
    std::vector<group> out;
    out.push_back({"static", static_tests(), true});
    out.push_back({"entry", entry_tests(), true});
    out.push_back({"life", life_tests(), false});
    out.push_back({"threads", thread_tests(), false});
    out.push_back({"config", config_tests(), false});
    out.push_back({"unload-clean", unload_tests(), false});
    out.push_back({"side-by-side", side_by_side_tests(), false});
    out.push_back({"reload-under-load", reload_tests(), false});
    out.push_back({"hostile-host", hostile_tests(), false});
    group kind{"kind", {}, false};
    for (auto* more : {&protocol_tests, &balancer_tests, &decider_tests, &probe_tests, &executor_tests, &store_tests})
        for (auto& t : more()) kind.tests.push_back(std::move(t));
    out.push_back(std::move(kind));
    return out;
}

[[noreturn]] void cannot(const std::string& why) {
    std::cerr << "sigrun-plugin-check: " << why << "\n";
    std::exit(2);
}

subject read_subject(const arguments& args) {
    std::ifstream in(args.file, std::ios::binary);
    if (!in) cannot("cannot read " + args.file);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    subject out;
    out.path = args.file;
    out.name = std::filesystem::path(args.file).stem().string();
    out.bytes = bytes.str();
    out.sha256 = sha256_hex(out.bytes);
    if (auto note = inspect_plugin(out.bytes)) out.note = *note;
    if (!args.config.empty()) {
        config_sources sources;
        sources.file = args.config;
        sources.environment = false;
        auto config = settings::load(sources);
        if (!config) cannot(config.error().text());
        out.config = *config;
    }
    return out;
}

bool wanted(const arguments& args, std::string_view name) {
    return args.groups.empty() || std::find(args.groups.begin(), args.groups.end(), name) != args.groups.end();
}

void skip_all(const group& of, const std::string& why, std::vector<finding>& out) {
    for (const auto& t : of.tests)
        for (auto id : t.rules) out.push_back({std::string(id), outcome::skip, {}, {}, why, std::string(t.name), 0});
}

std::vector<finding> run_all(const arguments& args, const subject& file) {
    std::vector<finding> out;
    std::vector<std::string> kinds;
    std::string stopped_by;
    bool kinds_known = false;
    for (const auto& g : groups()) {
        if (!wanted(args, g.name)) continue;
        if (!stopped_by.empty()) {
            skip_all(g, "not run: group " + stopped_by + " failed", out);
            continue;
        }
        if (!g.is_gate && !kinds_known) {
            kinds = kinds_of(args, file);
            kinds_known = true;
        }
        std::vector<finding> found;
        for (const auto& t : g.tests) {
            if (!t.kind.empty() && std::find(kinds.begin(), kinds.end(), t.kind) == kinds.end()) continue;
            run_test(t, args, file, found);
        }
        if (g.is_gate && !passed(found)) stopped_by = std::string(g.name);
        out.insert(out.end(), found.begin(), found.end());
    }
    return out;
}

std::chrono::milliseconds duration(const std::string& text, const char* flag) {
    std::size_t used = 0;
    double n = -1;
    try {
        n = std::stod(text, &used);
    } catch (const std::exception&) {
    }
    const std::string unit = text.substr(std::min(used, text.size()));
    const double factor = unit == "ms" ? 1 : unit == "s" || unit.empty() ? 1000 : unit == "m" ? 60'000 : 0;
    if (!(n > 0) || factor == 0 || n * factor > 86'400'000)
        cannot(std::string(flag) + ": expected a duration such as 500ms, 60s or 2m, found \"" + text + "\"");
    return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(n * factor)));
}

int list_rules() {
    for (auto name : all_groups()) {
        std::cout << name << "\n";
        for (const auto& r : all_rules())
            if (group_of(r.id) == name) std::cout << "  " << r.id << "  " << r.demand << "\n";
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    set_log_level(log_level::error);
    arguments args;
    std::string explained, fuzz, timeout, patience;
    bool list = false;
    CLI::App app("Checks a Sigrun plugin against the rules of the SDK, each test in a process of its own.",
                 "sigrun-plugin-check");
    app.add_option("file", args.file, "The plugin, a shared library")->type_name("FILE.so");
    app.add_option("--group", args.groups, "Only this group; may be repeated (see --list)")->type_name("GROUP");
    app.add_flag("--list", list, "The rules by group");
    app.add_option("--explain", explained, "Why a rule exists, and how to fix what breaks it")->type_name("RULE");
    auto* json = app.add_flag("--json", args.json, "Results as JSON");
    app.add_flag("--junit", args.junit, "Results as JUnit XML")->excludes(json);
    app.add_option("--config", args.config, "[instance] sections with values for components that need some")
        ->type_name("FILE.ini");
    app.add_option("--corpus", args.corpus, "First bytes of a connection of this protocol; may be repeated")
        ->type_name("FILE");
    app.add_option("--seed", args.seed, "Of everything random")->capture_default_str();
    app.add_option("--fuzz", fuzz, "Send changed requests to a protocol for so long")->type_name("DURATION");
    app.add_option("--timeout", timeout, "Limit of one test (default: 20s)")->type_name("DURATION");
    app.add_option("--patience", patience, "For what must happen soon, such as the end of an op (default: 5s)")
        ->type_name("DURATION");
    app.add_option("--cycles", args.cycles, "Lives in a row")->capture_default_str()->check(CLI::Range(1u, 100'000u));
    app.add_option("--reloads", args.reloads, "Versions replaced under load")
        ->capture_default_str()
        ->check(CLI::Range(1u, 100'000u));
    app.add_flag("--in-process", args.in_process, "No child processes: for a debugger");
    app.add_option("--waive-file", args.waive_file,
                   "Rules not to follow (default: sigrun-plugin-check.ini beside the plugin)")
        ->type_name("FILE.ini");
    app.add_option("--verdict", args.verdict, "Write which groups passed, with the file's SHA-256")->type_name("FILE");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        cannot(std::string(e.what()) + " (see --help)");
    }
    if (list) return list_rules();
    if (!explained.empty()) {
        const rule* which = find_rule(explained);
        if (!which) cannot("no rule " + explained + ", see --list");
        std::cout << explain(*which);
        return 0;
    }
    if (args.file.empty()) cannot("expected a plugin file (see --help)");
    for (const auto& name : args.groups)
        if (std::find(all_groups().begin(), all_groups().end(), name) == all_groups().end())
            cannot("no group " + name + ", see --list");
    if (!fuzz.empty()) args.fuzz = duration(fuzz, "--fuzz");
    if (!patience.empty()) args.patience = duration(patience, "--patience");
    if (!timeout.empty()) args.timeout = duration(timeout, "--timeout");
    for (auto& path : args.corpus) {
        if (!std::ifstream(path)) cannot("cannot read " + path);
        path = std::filesystem::absolute(path).string();
    }
    const bool named = !args.waive_file.empty();
    if (!named)
        args.waive_file = (std::filesystem::absolute(args.file).parent_path() / "sigrun-plugin-check.ini").string();
    auto waivers = read_waivers(args.waive_file, named);
    if (!waivers) cannot(waivers.error().text());
    try {
        const subject file = read_subject(args);
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // processes that a plugin leaves behind come to us and are ended
        auto found = run_all(args, file);
        apply_waivers(*waivers, found);
        const auto rules = by_rule(found);
        std::vector<std::string> ran;
        for (auto name : all_groups())
            if (wanted(args, name)) ran.emplace_back(name);
        std::cout << (args.json    ? as_json(file, rules, ran)
                      : args.junit ? as_junit(file, rules)
                                   : as_table(file, rules));
        if (!args.verdict.empty()) {
            std::ofstream out(args.verdict);
            out << as_verdict(file, rules, ran);
            if (!out.flush()) cannot("cannot write " + args.verdict);
        }
        return passed(rules) ? 0 : 1;
    } catch (const std::exception& e) {
        cannot(e.what());
    }
}
