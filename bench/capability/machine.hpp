// The shipped probes of this machine in one host, for the benches here.
#pragma once

#include "kernel/capability/detector.hpp"

#include <sigrun/probe.h>

#include <future>
#include <memory>

namespace sigrun::bench {

struct machine {
    metrics numbers;
    plugin_host host{{.plugin_dir = BENCH_PROBE_DIR, .state_dir = "", .program = "bench", .kinds = {SIGRUN_KIND_PROBE}},
                     settings::parse("", "bench").value(),
                     numbers};
    std::unique_ptr<detector> facts;

    /// `isolated`: probes that ask for it have processes of their own.
    explicit machine(bool isolated) {
        host.load_all().value();
        host.start_all().value();
        facts = std::make_unique<detector>(host, clock::system(), isolated ? "/proc/self/exe" : "");
    }
    machine(const machine&) = delete;
    machine& operator=(const machine&) = delete;
    ~machine() {
        facts.reset();
        host.shutdown();
    }
    capability_ptr detect(const detect_options& options) {
        std::promise<capability_ptr> answer;
        facts->detect(options, [&](capability_ptr found) { answer.set_value(std::move(found)); });
        return answer.get_future().get();
    }
};

}  // namespace sigrun::bench
