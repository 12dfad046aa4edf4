// What class of machine the facts show: gates per axis, no black box. Pure.
//
// An axis is the lowest of what its figures reach. A figure that is not known makes its axis unknown, unless the others decide it
// whatever that figure is: a machine of one core is basic, measured or not.
#pragma once

#include "kernel/capability/facts.hpp"

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

enum class machine_tier : std::uint8_t { basic, standard, high, ultra };
std::string_view to_string(machine_tier t) noexcept;

enum class tier_axis : std::uint8_t { cpu, memory, storage, network };
constexpr std::size_t k_tier_axes = 4;
std::string_view to_string(tier_axis a) noexcept;

/// One figure of an axis, and what it must be for each tier above basic.
struct tier_gate {
    tier_axis axis;
    std::string_view key;
    bool at_most;   // else at least
    bool measured;  // and so different each time; else a limit that is known exactly
    /// For standard, high and ultra; nothing: that tier does not depend on it.
    std::array<std::optional<double>, 3> needs;
};
std::span<const tier_gate> tier_gates() noexcept;

/// What the facts say of one axis.
struct axis_tier {
    std::optional<machine_tier> tier;  // nothing: unknown
    /// The tier that is reached with ten percent to spare in everything measured.
    machine_tier sure = machine_tier::basic;
    const tier_gate* limit = nullptr;  // what keeps it from the next tier; null for ultra
    fact_status status = fact_status::ok;
    std::string detail;  // "cpu.effective_cores is 2, high needs 8"; or what is missing
    std::string source;  // the keys that it comes from
    std::uint8_t confidence = 100;
    std::int64_t observed_ns = 0;
    std::optional<double> score;  // log2 of how much better than the baseline machine
};
using tier_report = std::array<axis_tier, k_tier_axes>;

using fact_lookup = std::function<const fact*(std::string_view key)>;
tier_report judge_tiers(const fact_lookup& find);

/// tier.cpu, .memory, .storage, .network, .gpu, .overall, .score and .limiting_axis. Nothing if none of the figures is among the
/// facts, known or not.
std::vector<fact> tier_facts(const tier_report& report, const fact_lookup& find);

/// All tier.* among the facts give way to those that the others show, but for what an operator declares; `settle` may change
/// the report before.
void add_tiers(std::vector<fact>& facts,
               const std::function<tier_report(tier_report, const fact_lookup&)>& settle = {});

/// Prefixes of all facts that the tiers come from.
std::vector<std::string> tier_evidence();

}  // namespace sigrun
