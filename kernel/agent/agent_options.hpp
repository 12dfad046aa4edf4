// Everything an agent can be told: the sections [runner] and [security] of runner.ini, or flags of sigrun-runner.
#pragma once

#include "kernel/agent/machine_state.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/guard/job_trust.hpp"

#include <span>
#include <string>
#include <vector>

namespace sigrun {

struct agent_options {
    std::string name;                      // as shown in the fleet
    std::vector<std::string> urls;         // controllers to dial
    std::string join;                      // token shown to the controllers, a secret; empty = none
    std::vector<std::string> listen;       // addresses to wait at instead
    std::string controller_token;          // that a controller must show who dials here, a secret; empty = none
    std::vector<std::string> controllers;  // or a certificate of one of these names; empty = any that is believed
    std::vector<std::string> protocols;    // allowed, best first; empty = all that are loaded
    std::uint32_t slots = 0;               // 0 = effective cores, rounded up
    label_map labels;
    std::string state_dir, workspace_dir;
    machine_needs needs;            // with less, offers are refused
    nanoseconds max_clock_skew{0};  // 0 = any
    bool keep_on_stop = false;      // SIGTERM leaves the jobs to the next start
    nanoseconds drain_timeout{0};
    nanoseconds kill_grace{0};      // for what still runs when a drain ends
    nanoseconds facts_interval{0};  // how often changed facts are looked for
    nanoseconds facts_patience{0};  // with probes, before this machine is told of without their facts
    bool benchmark = true;          // this machine is measured while it is idle
    nanoseconds rung_retry{0};      // how often a better protocol is tried again
    bool plugin_watch = true;       // changed plugin files are taken by themselves
    nanoseconds plugin_probation{0};
    job_trust_options signatures;  // of the section [security]
};

/// The option table of [runner]; the second half are settings of the program around the agent.
std::span<const sigrun_opt> agent_option_table() noexcept;
/// Reads a bound [runner] section, fills in defaults that depend on this machine (name, directories) and checks what the
/// table cannot: names, label syntax, url or listen.
result<agent_options> read_agent_options(const bound_section& section);

/// "zone=eu" -> {"zone", "eu"}.
result<label_map> parse_labels(const std::vector<std::string>& items);

}  // namespace sigrun
