// Many runners in one process, for the scripts of this folder (many_runners.hpp).
#include "bench/fleet/many_runners.hpp"
#include "kernel/app/sigrun/loaded_plugins.hpp"

#include <CLI/CLI.hpp>

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::bench;
using std::chrono::steady_clock;

volatile std::sig_atomic_t ended = 0;

void run(const runner_choice& what) {
    cli::loaded_plugins plugins(what.plugin_dir, {SIGRUN_KIND_PROTOCOL}, cli::no_settings());
    plugins.load();
    plugins.start();
    auto protocol = protocol_for_uri(plugins.host(), what.url);
    if (!protocol) throw std::runtime_error(protocol.error().text());
    auto load = std::make_shared<many_runners>(plugins.host(), *protocol, what);
    const auto began = steady_clock::now();
    bool complete = false;
    unsigned told = 0;
    while (!ended) {
        const unsigned connected = load->turn();
        if (!complete && connected == what.count) {
            complete = true;
            std::printf("connected %u in %.2f s\n", connected,
                        std::chrono::duration<double>(steady_clock::now() - began).count());
        } else if (connected != told && complete) {
            std::printf("now %u connected (%s)\n", connected, load->last_problem().c_str());
        }
        if (complete) told = connected;
        std::fflush(stdout);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    std::printf("told %llu changes\n", static_cast<unsigned long long>(load->changes()));
    load->close();
}

}  // namespace

int main(int argc, char** argv) {
    runner_choice what;
    CLI::App app{"Many runners with real sessions, for the scripts of bench/fleet"};
    app.add_option("--url", what.url, "The daemon")->capture_default_str();
    app.add_option("--plugin-dir", what.plugin_dir)->capture_default_str();
    app.add_option("--prefix", what.prefix, "Of the runners' names")->capture_default_str();
    app.add_option("--first", what.first, "Number of the first runner")->capture_default_str();
    app.add_option("--count", what.count)->check(CLI::Range(1, 100000))->capture_default_str();
    app.add_option("--connecting", what.connecting, "Connections that are being made at a time")->capture_default_str();
    app.add_option("--beat", what.beat, "Seconds between beats")->check(CLI::Range(0.1, 60.0))->capture_default_str();
    app.add_flag("--machines", what.machines,
                 "Each tells what kind of machine it is, and takes jobs, which end at once");
    app.add_option("--changes", what.changes_per_s, "Changes a second of what machines tell, once all are connected")
        ->check(CLI::Range(0.0, 100'000.0))
        ->capture_default_str();
    bool list = false;
    app.add_flag("--list-requirements", list, "Only print what jobs may ask of --count machines, one in a line");
    CLI11_PARSE(app, argc, argv);
    if (list) {
        for (const auto& text : machine_requirements(what.count)) std::puts(text.c_str());
        return 0;
    }
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    std::signal(SIGTERM, [](int) { ended = 1; });
    std::signal(SIGINT, [](int) { ended = 1; });
    try {
        run(what);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "fleet_load: %s\n", e.what());
        return 1;
    }
    return 0;
}
