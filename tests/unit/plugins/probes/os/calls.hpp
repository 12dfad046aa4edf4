// The call table of a recorded machine.
#pragma once

#include "fixtures/machines/rig.hpp"
#include "os_probe.hpp"

namespace sigrun::os {

inline machines::fact_map facts_of(const std::string& machine) {
    const auto recorded = machines::calls_of(machine);
    machine_calls calls;
    if (const auto* text = recorded.if_contains("machine"))
        calls.machine = [name = std::string(text->as_string())] { return name; };
    if (const auto* pair = recorded.if_contains("libc")) {
        const c_library known{std::string(pair->as_array().at(0).as_string()),
                              std::string(pair->as_array().at(1).as_string())};
        calls.libc = [known] { return std::optional(known); };
    }
    return machines::facts_below(machines::folder(machine),
                                 [&](const sdk::sysroot& root, sdk::probe_run& run) { collect(root, calls, run); });
}

inline machines::fact_map facts_of_tree(const machines::scratch_tree& tree) {
    return machines::facts_below(tree.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
}

}  // namespace sigrun::os
