// The call table of a recorded machine.
#pragma once

#include "fixtures/machines/rig.hpp"
#include "security_probe.hpp"

namespace sigrun::security {

inline machines::fact_map facts_of(const std::string& machine) {
    const auto recorded = machines::calls_of(machine);
    machine_calls calls;
    if (const auto* version = recorded.if_contains("landlock"))
        calls.landlock = [n = version->to_number<std::uint64_t>()] { return landlock_answer{n, 0}; };
    return machines::facts_below(machines::folder(machine),
                                 [&](const sdk::sysroot& root, sdk::probe_run& run) { collect(root, calls, run); });
}
inline machines::fact_map facts_of_tree(const machines::scratch_tree& tree, const machine_calls& calls = {}) {
    return machines::facts_below(tree.path(), [&](auto& root, auto& run) { collect(root, calls, run); });
}

}  // namespace sigrun::security
