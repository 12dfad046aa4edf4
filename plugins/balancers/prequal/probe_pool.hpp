// The runners that one thread knows the state of: those whose jobs ended lately and some random ones. Of these a job takes
// the best, so that not all threads go for the same one. Used by one thread; no allocation. [hot]
#pragma once

#include <array>
#include <cstdint>

namespace sigrun::prequal {

/// What a runner is judged by, hot or cold (HCL).
struct state {
    std::uint32_t load = 0;     // jobs in flight per place, in 1/256
    std::uint32_t latency = 0;  // 0 = unknown, and so the best: it is time to know
    bool hot = false;           // more load than most

    /// The cold before the hot; the cold by latency, the hot by load.
    bool better_than(const state& o) const noexcept {
        if (hot != o.hot) return o.hot;
        return hot ? load < o.load : latency < o.latency;
    }
};

struct probe {
    std::uint32_t slot = 0;
    std::uint32_t uses_left = 0;
    std::uint64_t born_ns = 0;
    state now{};  // as of the pick that is at work
};

class probe_pool {
public:
    static constexpr std::uint32_t k_size = 16;
    static constexpr std::uint64_t k_age_ns = 1'000'000'000;

    /// Takes the place of an older one of the same slot, or of the oldest.
    void add(std::uint32_t slot, std::uint64_t now_ns, std::uint32_t uses) noexcept;
    void drop_old(std::uint64_t now_ns) noexcept;
    /// A job went there.
    void use(std::uint32_t slot) noexcept;
    /// The oldest and the worst in turn; so neither stays for long.
    void drop_one() noexcept;

    std::uint32_t size() const noexcept { return n_; }
    probe& operator[](std::uint32_t i) noexcept { return probes_[i]; }

private:
    void drop(std::uint32_t i) noexcept { probes_[i] = probes_[--n_]; }

    std::array<probe, k_size> probes_{};
    std::uint32_t n_ = 0;
    bool oldest_next_ = false;
};

/// How often a probe is used before it is dropped: 2 / ((1 - m / n) * probes - drops) with pool size m, n runners, two probes
/// for each pick and one drop; 1 at least.
constexpr std::uint32_t uses_of_a_probe(std::uint32_t runners) noexcept {
    const double rate = 2 * (1 - static_cast<double>(probe_pool::k_size) / (runners ? runners : 1)) - 1;
    if (rate <= 2.0 / probe_pool::k_size) return probe_pool::k_size;
    return rate >= 2 ? 1 : static_cast<std::uint32_t>(2 / rate);
}

/// A quantile of the last loads that were seen: beyond it a runner is hot.
class load_quantile {
public:
    explicit load_quantile(double q) noexcept : rank_(static_cast<std::uint32_t>(q * (k_window - 1) + 0.5)) {}
    void see(std::uint32_t load) noexcept;
    std::uint32_t threshold() const noexcept { return threshold_; }

private:
    static constexpr std::uint32_t k_window = 128;
    std::array<std::uint16_t, k_window> loads_{};
    std::uint32_t rank_, seen_ = 0, threshold_ = 0;
};

}  // namespace sigrun::prequal
