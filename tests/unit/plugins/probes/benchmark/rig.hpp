// Runs the suite in this process and keeps what it says.
#pragma once

#include "fixtures/machines/rig.hpp"
#include "suite.hpp"

#include <atomic>
#include <functional>
#include <thread>

namespace sigrun::benchmark {

/// The last word on each key; `told` hears each frame.
struct last_word {
    machines::fact_map facts;
    std::function<void()> told;
    sigrun_sink abi{sizeof(sigrun_sink), 0, this, [](void* ctx, const sigrun_frame* frame) noexcept -> sigrun_result {
                        auto& me = *static_cast<last_word*>(ctx);
                        const auto document = boost::json::parse(sdk::view(frame->json));
                        for (const auto& each : document.at("facts").as_array()) {
                            const auto& f = each.as_object();
                            me.facts[std::string(f.at("key").as_string())] = f;
                        }
                        if (me.told) me.told();
                        return SIGRUN_OK;
                    }};
};

/// What is left of a run in this process.
inline std::size_t threads() {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/task")) ++n;
    return n;
}
inline std::size_t descriptors() {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
    return n;
}
inline std::string children() {
    std::string all;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
        all += machines::slurp(task.path().string() + "/children");
    return all;
}

inline machines::fact_map measured(const std::string& folder, const limits& within = {}) {
    last_word sink;
    const sdk::sysroot root("");
    sdk::probe_run run("perf.*", &sink.abi, nullptr, 1, 0);
    measure(root, folder, within, run);
    run.finish();
    return sink.facts;
}

constexpr const char* k_figures[] = {"perf.single_int",        "perf.single_fp",
                                     "perf.all_int",           "perf.aes_bps",
                                     "perf.sha256_bps",        "perf.mem_copy_bps",
                                     "perf.mem_triad_bps",     "perf.mem_latency_ns",
                                     "perf.disk_seq_read_bps", "perf.disk_seq_write_bps",
                                     "perf.disk_rand_iops",    "perf.fsync_p50_us",
                                     "perf.fsync_p95_us",      "perf.spawn_us"};

}  // namespace sigrun::benchmark
