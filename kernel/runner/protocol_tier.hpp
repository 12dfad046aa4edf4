// The band of a protocol's round trip: Ultra below 10 us, High below 100 us, Standard below 1 ms, Basic above. Pure.
#pragma once

#include "kernel/base/clock.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace sigrun {

enum class protocol_tier : std::uint8_t { unknown, basic, standard, high, ultra };
std::string_view to_string(protocol_tier tier) noexcept;
protocol_tier tier_of(nanoseconds round_trip) noexcept;

/// Follows the medians of windows: up after two in a row that are better by 10 %, down after two that are worse. The first
/// window decides at once, and is shorter.
class tier_gauge {
public:
    static constexpr std::size_t k_first = 5, k_window = 8;

    /// One round trip of a link. True: the tier is another one now.
    bool round_trip(nanoseconds rtt) noexcept;
    /// The median of several, measured elsewhere: a window of its own.
    bool window(nanoseconds median) noexcept;
    [[nodiscard]] protocol_tier tier() const noexcept { return tier_; }

private:
    std::array<std::int64_t, k_window> trips_{};
    std::size_t count_ = 0;
    protocol_tier tier_ = protocol_tier::unknown;
    protocol_tier last_ = protocol_tier::unknown;  // where the window before wanted to go
};

}  // namespace sigrun
