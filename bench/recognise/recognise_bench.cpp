// What it costs to find out whose connection it is: the first bytes of a connection of each protocol, shown to the real
// plugins in the daemon's order until one takes them, as the listener does. The system calls of an accept are not in it.
//
// A head that is as long as a browser's is the slow case of HTTP: WebSocket has to look through all of it before it refuses.
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/protocol.h>

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace {

using namespace sigrun;

struct loaded {
    metrics numbers;
    const std::string folder = [] {
        std::string made = (std::filesystem::temp_directory_path() / "sigrun-recognise-XXXXXX").string();
        return std::string(::mkdtemp(made.data()));
    }();
    plugin_host host{{.plugin_dir = BENCH_PLUGIN_DIR, .state_dir = folder, .program = "bench"}, settings{}, numbers};
    struct protocol {
        std::shared_ptr<instance> plugin;
        const sigrun_serve* serve;
    };
    std::vector<protocol> asked;

    loaded() {
        host.load_all().value();
        host.start_all().value();
        for (const char* name : {"valkyrie", "grpc", "websocket", "http"}) {
            auto plugin = host.find(SIGRUN_KIND_PROTOCOL, name);
            if (!plugin) {
                std::cerr << "the plugin " << name << " was not loaded from " << BENCH_PLUGIN_DIR << "\n";
                std::exit(1);
            }
            asked.push_back({plugin, plugin->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL)->serve});
        }
    }
    ~loaded() {
        asked.clear();
        host.shutdown();
        std::filesystem::remove_all(folder);
    }
};

loaded& plugins() {
    static loaded one;
    return one;
}

void whole_connection(benchmark::State& state, std::string first, std::size_t taken_by) {
    auto& all = plugins().asked;
    for (auto _ : state) {
        std::size_t who = 0;
        while (who < all.size() &&
               all[who].serve->recognise(all[who].plugin->abi(), {first.data(), first.size()}, 0) != SIGRUN_OK)
            ++who;
        if (who != taken_by) return state.SkipWithError("another protocol took the connection");
    }
    state.counters["bytes"] = static_cast<double>(first.size());
}

void one_recogniser(benchmark::State& state, std::string first, std::size_t who) {
    const auto& one = plugins().asked[who];
    for (auto _ : state) {
        const auto verdict = one.serve->recognise(one.plugin->abi(), {first.data(), first.size()}, 0);
        benchmark::DoNotOptimize(verdict);
    }
}

std::string browser_head(std::size_t fields) {
    std::string out = "GET /v1/jobs?limit=100 HTTP/1.1\r\nHost: 127.0.0.1:7070\r\n";
    for (std::size_t i = 0; i < fields; ++i)
        out += "X-Header-" + std::to_string(i) + ": a value about as long as those of a browser are, on the whole\r\n";
    return out + "\r\n";
}

const std::string k_valkyrie("\x9dVLK1\r\n\x1a\0\0\0\1", 12);
const std::string k_upgrade =
    "GET /v1/session HTTP/1.1\r\nHost: 127.0.0.1:7070\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const std::string k_post =
    "POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:7070\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const std::string k_h2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

BENCHMARK_CAPTURE(whole_connection, valkyrie, k_valkyrie, 0);
BENCHMARK_CAPTURE(whole_connection, websocket, k_upgrade, 2);
BENCHMARK_CAPTURE(whole_connection, grpc, k_h2, 1);
BENCHMARK_CAPTURE(whole_connection, http_post, k_post, 3);
BENCHMARK_CAPTURE(whole_connection, http_get, browser_head(1), 3);
BENCHMARK_CAPTURE(whole_connection, http_get_browser, browser_head(25), 3);
BENCHMARK_CAPTURE(whole_connection, http_get_longest, browser_head(180), 3);
BENCHMARK_CAPTURE(one_recogniser, valkyrie, k_valkyrie, 0);
BENCHMARK_CAPTURE(one_recogniser, websocket, k_upgrade, 2);
BENCHMARK_CAPTURE(one_recogniser, grpc, k_h2, 1);
BENCHMARK_CAPTURE(one_recogniser, http, k_post, 3);

}  // namespace

BENCHMARK_MAIN();
