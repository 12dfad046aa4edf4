// Random numbers by name: the same (seed, purpose, index) gives the same sequence whoever asks and in whatever order, so
// that all policies meet the same jobs and the same moods of the same machines.
#pragma once

#include <cmath>
#include <cstdint>

namespace sigrun::sim {

constexpr std::uint64_t mixed(std::uint64_t z) noexcept {
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

enum class purpose : std::uint64_t { arrivals = 1, sizes, keys, moods, traits, failures, policy };

class random_stream {
public:
    random_stream(std::uint64_t seed, purpose what, std::uint64_t index = 0) noexcept
        : state_(mixed(mixed(seed + (static_cast<std::uint64_t>(what) << 56)) ^ index)) {}

    std::uint64_t bits() noexcept { return mixed(state_ += 0x9e3779b97f4a7c15u); }
    /// In (0, 1).
    double unit() noexcept { return (static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52; }
    std::uint32_t below(std::uint32_t n) noexcept { return static_cast<std::uint32_t>(((bits() >> 32) * n) >> 32); }
    double exponential(double mean) noexcept { return -mean * std::log(unit()); }
    /// Log-normal with this mean and coefficient of variation.
    double log_normal(double mean, double cv) noexcept {
        const double variance = std::log1p(cv * cv);
        return std::exp(std::log(mean) - variance / 2 + std::sqrt(variance) * normal());
    }

private:
    double normal() noexcept {
        const double radius = std::sqrt(-2 * std::log(unit()));
        return radius * std::cos(6.283185307179586 * unit());
    }
    std::uint64_t state_;
};

}  // namespace sigrun::sim
