// Runs the probe plugins: in parallel, each within its own time limits, on the worker pool or in a process of its own; results
// are cached and shared. [any]
//
// The detector holds the probe instances it has used: destroy it before plugin_host::shutdown. Its destructor
// answers every caller that still waits with what is known so far; it waits for running probes, but half a
// second at most.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <functional>

namespace sigrun {

struct detect_options {
    std::string sysroot;            // prefix for /sys, /proc, /etc
    std::vector<std::string> only;  // key prefixes; empty = all probes
    bool fresh = false;             // ignore the cache
    bool on_request = false;        // the probes that say SIGRUN_PROBE_ON_REQUEST, and no others; else the others
};

class detector {
public:
    /// `program` calls run_as_probe_host (probe_host.hpp): it is started for each probe that does not say
    /// SIGRUN_PROBE_IN_PROCESS. Empty: those run in this process, too.
    detector(plugin_host& host, const clock& clk, nanoseconds ttl = std::chrono::minutes(5), std::string program = {});
    ~detector();
    /// Calls back once, on any thread, with everything known; a probe that missed its hard limit contributes
    /// facts with status timeout (one per declared key pattern). Concurrent calls with equal options share
    /// one run.
    void detect(const detect_options& options, std::function<void(capability_ptr)> callback);
    /// The probes have changed: nothing that was found out, or is being found out, answers who asks from now on, and no crash
    /// keeps a probe from being run.
    void forget();
    /// Cancels what runs of the probes that run on request: their machine is needed.
    void interrupt();
    struct counters {
        std::uint64_t hits = 0, misses = 0, shared = 0;  // of whole detections
        std::uint64_t runs = 0;                          // of single probes
    };
    counters stats() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun
