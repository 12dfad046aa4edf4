// Runs the probe plugins: in parallel, each within its own time limits, on the worker pool or in a process of its own; what each
// one says is cached for as long as its facts are good, and shared. [any]
//
// The detector holds the probe instances it has used: destroy it before plugin_host::shutdown. Its destructor
// answers every caller that still waits with what is known so far; it waits for running probes, but half a
// second at most.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/capability/ttl_cache.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <functional>

namespace sigrun {

struct detect_options {
    std::string sysroot;            // prefix for /sys, /proc, /etc
    std::vector<std::string> only;  // key prefixes; empty = all probes
    bool on_request = false;        // the probes that say SIGRUN_PROBE_ON_REQUEST, and no others; else the others
    bool fresh = false;             // every probe runs, whatever is known
    bool stale_will_do = false;     // what is past its time answers at once, as stale, while it is found out anew
    /// Of a probe that has not answered when this is over there is what it has said last, or, if it never has, a fact for each of
    /// its key patterns, of status timeout and "not known yet". It goes on; the observer is told when it has answered.
    nanoseconds patience = nanoseconds::max();
};

/// What one probe has said, with all that does not count because another one is surer.
struct probe_evidence {
    std::string probe, plugin;      // "memory", "sigrun.memory"
    std::string about;              // what its plugin says of it
    std::vector<std::string> keys;  // the patterns it declares
    bool isolated = false;
    std::uint32_t soft_ms = 0, hard_ms = 0;
    std::vector<fact> facts;
};

class detector {
public:
    /// `program` calls run_as_probe_host (probe_host.hpp): it is started for each probe that does not say
    /// SIGRUN_PROBE_IN_PROCESS. Empty: those run in this process, too.
    detector(plugin_host& host, const clock& clk, std::string program = {});
    ~detector();
    /// Calls back once, on any thread, with everything known within the patience; a probe that missed its hard limit contributes
    /// facts with status timeout (one per declared key pattern). A probe runs if some fact of it is past its time; everybody who asks meanwhile
    /// shares the run, and who asks when it soon will be is answered and has it run ahead.
    void detect(const detect_options& options, std::function<void(capability_ptr)> callback);
    /// What the probes said when they were last asked, each by itself. Runs nothing.
    std::vector<probe_evidence> evidence(const std::string& sysroot) const;
    /// The probes have changed: nothing that was found out, or is being found out, answers who asks from now on, and no crash
    /// keeps a probe from being run.
    void forget();
    /// Cancels what runs of the probes that run on request: their machine is needed.
    void interrupt();
    /// Something that probes of keys with these prefixes read has changed: they run before they answer again.
    void expire(const std::vector<std::string>& prefixes);
    /// Called on the io thread a moment after a probe has said something else than before, of what does not change all the
    /// time by nature, or has confirmed what was known from before a restart, or has answered too late for a document.
    void set_observer(std::function<void()> changed);
    /// What the probes say is kept in this file, and what it holds from before a restart is known, as stale, until a probe has
    /// confirmed it. Once, before the first detect.
    void keep_in(const std::string& file);
    struct counters : cache_stats {  // of answers of single probes
        cache_census now;
        std::uint64_t runs = 0;
    };
    counters stats() const;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace sigrun
