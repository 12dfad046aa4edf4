// The call table of a recorded machine.
#pragma once

#include "cpu_probe.hpp"
#include "fixtures/machines/rig.hpp"

namespace sigrun::cpu {

inline machine_calls recorded_calls(const std::string& machine) {
    const auto recorded = machines::calls_of(machine);
    machine_calls calls;
    if (const auto* text = recorded.if_contains("affinity")) {
        const auto set = sdk::parse_cpulist(std::string_view(text->as_string()));
        calls.affinity = [set] { return set; };
    }
    if (const auto* table = recorded.if_contains("cpuid")) {
        calls.cpuid = [table = table->as_object()](std::uint32_t leaf, std::uint32_t subleaf) {
            char name[32];
            std::snprintf(name, sizeof name, "%x:%x", leaf, subleaf);
            cpuid_regs r;
            if (const auto* row = table.if_contains(name)) {
                const auto word = [&](std::size_t i) { return row->as_array().at(i).to_number<std::uint32_t>(); };
                r = {word(0), word(1), word(2), word(3)};
            }
            return r;
        };
        calls.xcr0 = [bits = recorded.at("xcr0").to_number<std::uint64_t>()] { return bits; };
    }
    return calls;
}

inline machines::fact_map facts_of(const std::string& machine) {
    return machines::facts_below(machines::folder(machine), [&](const sdk::sysroot& root, sdk::probe_run& run) {
        collect(root, recorded_calls(machine), run);
    });
}

}  // namespace sigrun::cpu
