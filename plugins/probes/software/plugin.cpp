#include "verification.hpp"

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_folders = option(
    "folders", SIGRUN_OPT_LIST, {.doc = "More folders of programs, after PATH of the runner and the usual ones."});

constexpr sigrun_opt k_options[] = {k_folders};

constexpr sigrun_opt k_verify_options[] = {
    k_folders,
    option("execute", SIGRUN_OPT_BOOL,
           {.def = "yes", .doc = "Run each program that was found with --version; no: only what files say is known."}),
    option("at_first", SIGRUN_OPT_BOOL,
           {.def = "no",
            .doc = "Run them when the program starts too, not only when facts are read again."}),
    option("timeout", SIGRUN_OPT_DURATION,
           {.def = "1s", .doc = "How long one program may take.", .min = 10e6, .max = 10e9}),
    option("parallel", SIGRUN_OPT_INT, {.def = "8", .doc = "Programs at once.", .min = 1, .max = 64}),
};

/// What files tell: package database, links, release files.
class software_probe {
public:
    static constexpr std::string_view keys = "lang,tool,pkg.*";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS | SIGRUN_PROBE_LIST, soft_ms = 250, hard_ms = 1000;

    software_probe(const sigrun::sdk::host&, const sigrun::sdk::config_reader& config)
        : folders_(config.list("folders")) {}
    void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        using namespace sigrun::software;
        sigrun::software::collect(root, root.live() ? live_calls() : machine_calls{}, folders_, run);
    }

private:
    std::vector<std::string> folders_;
};

/// What the programs say themselves.
class software_verify_probe {
public:
    static constexpr std::string_view keys = "lang,tool";
    // Not SIGRUN_PROBE_IN_PROCESS: it runs programs.
    static constexpr std::uint32_t flags = SIGRUN_PROBE_LIST, soft_ms = 2000, hard_ms = 4000;

    software_verify_probe(const sigrun::sdk::host&, const sigrun::sdk::config_reader& config)
        : folders_(config.list("folders")),
          execute_(config.boolean("execute")),
          wait_(!config.boolean("at_first")),
          verifier_(limits(config)) {}

    void collect(const sigrun::sdk::sysroot& root, sigrun::sdk::probe_run& run) {
        using namespace sigrun::software;
        if (!root.live()) return none(run, "unsupported", "programs of a recorded machine are not run");
        if (!execute_) return none(run, "unsupported", "option execute = no");
        // Not so where a process for probes was started anew: what was verified would be unverified for one run.
        if (std::exchange(wait_, false) && live_calls().seconds_of_program() < k_young)
            return none(run, "timeout", "programs are asked from the second run on");
        auto found = take_inventory(root, package_database::read(root), program_folders(root, live_calls(), folders_));
        // Stopped: lang and tool are told as `timeout`, so that what files say holds; the next run goes on.
        if (!verifier_.verify(root, found, [&run] { return run.go_on(); })) return;
        const std::string detail = verifier_.summary();
        write_lists(found, run.facts(), {.source = "execution", .method = "measured", .detail = detail});
    }

private:
    static sigrun::software::execution_limits limits(const sigrun::sdk::config_reader& config) {
        return {std::chrono::duration_cast<std::chrono::milliseconds>(config.duration("timeout")),
                static_cast<std::size_t>(config.integer("parallel")), 4096};
    }
    static constexpr double k_young = 10;

    static void none(sigrun::sdk::probe_run& run, std::string_view status, std::string_view why) {
        for (const char* key : {"lang", "tool"}) run.facts().none(key, status, {.source = "execution", .detail = why});
    }

    std::vector<std::string> folders_;
    bool execute_;
    bool wait_;  // for the next run
    sigrun::software::verifier verifier_;
};

}  // namespace

SIGRUN_PLUGIN("sigrun.software", "1.0.0", "Languages, tools and packages that are installed", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<software_probe>>(
                  "software", SIGRUN_KIND_PROBE, "Facts lang, tool and pkg.* from files", k_options),
              sigrun::sdk::component<sigrun::sdk::probe_component<software_verify_probe>>(
                  "software_verify", SIGRUN_KIND_PROBE, "Facts lang and tool as the programs themselves say",
                  k_verify_options))
