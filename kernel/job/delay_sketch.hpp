// How long something usually takes: counts by size, of the last thousand or so. 4 sizes per doubling, from 16 us to over a
// minute; a quantile is told as the upper end of its size. [any], lock-free
#pragma once

#include "kernel/base/clock.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace sigrun {

class delay_sketch {
public:
    void add(nanoseconds took) noexcept;
    /// Nothing below `at_least` samples.
    std::optional<nanoseconds> quantile(double q, std::uint32_t at_least) const noexcept;

private:
    static constexpr std::size_t k_sizes = 96;
    static constexpr std::uint32_t k_remembered = 2048;  // then each count is halved
    static std::size_t size_of(nanoseconds took) noexcept;
    static nanoseconds end_of(std::size_t size) noexcept;

    std::array<std::atomic<std::uint32_t>, k_sizes> counts_{};
    std::atomic<std::uint32_t> total_{0};
};

}  // namespace sigrun
