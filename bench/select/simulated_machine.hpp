// Machines that are made up, of 40 kinds: what they tell about themselves, how that changes, and what jobs ask for. All of it
// follows from the machine's number.
#pragma once

#include "kernel/base/json.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sigrun::bench {

constexpr std::uint32_t k_machine_kinds = 40;

struct simulated_machine {
    std::uint32_t number = 0;
    bool docker = true;

    std::uint32_t kind() const noexcept { return number % k_machine_kinds; }
    std::uint32_t places() const noexcept { return 1u << kind() % 4; }
    json::object labels() const;
    /// What it does not share with its kind, as it was this long ago.
    json::array own_facts(std::int64_t age_ns) const;
    /// A value that it has not told yet; `random` says which.
    json::array changed_memory(std::uint64_t random) const;
    json::array changed_speed(std::uint64_t random) const;
    /// With `docker` as it is now.
    json::array changed_tools() const;
};

/// What all machines of a kind tell alike, some 53 facts, as JSON without the brackets.
std::string facts_of_kind(std::uint32_t kind);
/// 50 requirements that a fleet of n machines can fulfil: 40 about kinds, 10 about what each machine has for itself.
std::vector<std::string> machine_requirements(std::uint32_t n);

}  // namespace sigrun::bench
