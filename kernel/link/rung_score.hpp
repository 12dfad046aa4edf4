// In which order the rungs of one runner are used: a score from measurements, strategies, hysteresis. Pure.
//
// score = W * P^(w_p/0.4) * S^(2 w_r/0.3) * L^(w_l/0.2) * T^(w_t/0.1) * (1 + bias)
//   W  prior weight of the protocol, which fades over the first 10 samples
//   P  1, 0.95, 0.9, 0.85 for a round trip below 10 us, 100 us, 1 ms, above
//   S  share of successes of the transport
//   L  lowest latency among the usable rungs / this latency; less than 5 us apart is a tie
//   T  throughput / best throughput of this runner; for bulky jobs only
// A product, so that a rung twice as slow scores half.
#pragma once

#include "kernel/base/clock.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

inline constexpr std::size_t k_max_rungs = 8;       // of one runner that are ranked
inline constexpr std::size_t k_max_protocols = 15;  // ids; bit 15 of a mask has a meaning of its own

/// What decides, besides the measurements. From the configuration.
struct rung_rules {
    std::string strategy = "valkyrie_first";
    double performance_weight = 0.4, reliability_weight = 0.3, latency_weight = 0.2, throughput_weight = 0.1;
    std::array<double, k_max_protocols> protocol_weights{};  // by id; 0 = 1
    std::uint8_t preferred = 0xff;                           // id of the operator's
    double preferred_bias = 0.2;
    std::uint32_t min_samples = 10;
    double threshold = 0.2;  // how much better another rung must be
    nanoseconds dwell = std::chrono::seconds(10);
    // Filled in from the strategy and the ladder.
    std::uint8_t first = 0xff;          // used whenever it is usable
    std::vector<std::uint8_t> urgent;   // order without evidence: of jobs for which latency matters
    std::vector<std::uint8_t> relaxed;  // of others
    bool rotate = false;
};

/// One rung that can be used now.
struct rung_view {
    std::uint8_t protocol = 0;
    nanoseconds latency{0};  // 0 = not measured
    double success = 0.9;
    double bytes_per_s = 0;
    std::uint32_t samples = 0;
    bool held = false;  // it broke a moment ago and must stand for a while first
};

enum class rung_why : std::uint8_t {
    only,
    named,
    first,
    score,
    prior,
    kept,
    preferred,
    rotation,
    operators,
    other_masked
};
std::string_view to_string(rung_why why) noexcept;

/// What was current and since when; hysteresis needs it.
struct rung_before {
    std::uint8_t protocol = 0xff;
    time_point since{};
};

struct rung_order {
    std::array<std::uint8_t, k_max_rungs> protocol{};
    std::array<float, k_max_rungs> score{};  // 0: no evidence
    std::uint8_t size = 0;
    rung_why why = rung_why::only;  // of the first
};

double rung_score(const rung_rules& rules, const rung_view& rung, std::span<const rung_view> usable, bool bulky);
/// `urgent`: the job asks for low latency or has a high priority. No allocation.
rung_order rank_rungs(const rung_rules& rules, std::span<const rung_view> usable, bool urgent, bool bulky,
                      const rung_before& before, time_point now);

/// The strategies, their names and which protocol they begin with.
struct strategy_rule {
    std::string_view name, first;
};
std::span<const strategy_rule> rung_strategies() noexcept;
/// Prior weights of protocols by name; others have 1.
double default_protocol_weight(std::string_view protocol) noexcept;
/// Protocols in the order in which they are used while nothing is known, best first; others come after them.
std::span<const std::string_view> prior_ladder(bool urgent) noexcept;

}  // namespace sigrun
