// The call table of a recorded machine.
#pragma once

#include "fixtures/machines/rig.hpp"
#include "memory_probe.hpp"

namespace sigrun::memory {

inline machines::fact_map facts_of(const std::string& machine) {
    const auto recorded = machines::calls_of(machine);
    machine_calls calls;
    if (const auto* bytes = recorded.if_contains("page_size"))
        calls.page_size = [n = bytes->to_number<std::uint64_t>()] { return n; };
    return machines::facts_below(machines::folder(machine),
                                 [&](const sdk::sysroot& root, sdk::probe_run& run) { collect(root, calls, run); });
}

}  // namespace sigrun::memory
