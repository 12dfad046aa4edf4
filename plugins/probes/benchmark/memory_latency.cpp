#include "working_memory.hpp"

#include <bit>

namespace sigrun::benchmark {
namespace {

constexpr std::size_t k_line = 64;  // bytes of one load's cache line
constexpr std::size_t k_words = k_line / sizeof(std::uint64_t);
constexpr std::size_t k_most_walked = 256 * 1024 * 1024;
constexpr std::size_t k_hops_per_look = 256;
constexpr milliseconds k_latency_round{6};

/// A permutation of the numbers below 2^bits: what it makes of neighbours lies far apart, in no order that a prefetcher sees.
struct scatter {
    std::uint64_t mask;
    unsigned half;

    explicit scatter(unsigned bits) : mask((std::uint64_t{1} << bits) - 1), half((bits + 1) / 2) {}
    std::uint64_t operator()(std::uint64_t n) const noexcept {
        n = n * 0x9E3779B97F4A7C15 & mask;
        n ^= n >> half;
        n = n * 0xD1342543DE82EF95 & mask;
        n ^= n >> half;
        return n;
    }
};

}  // namespace

std::size_t latency_bytes(const std::optional<cache_size>& cache, const working_memory& memory) {
    const std::size_t enough =
        std::bit_ceil(static_cast<std::size_t>(std::min<std::uint64_t>(cache ? 4 * cache->one : 0, k_most_walked)));
    return std::min({std::max<std::size_t>(enough, 64 * 1024 * 1024), k_most_walked, std::bit_floor(memory.bytes())});
}

std::vector<double> measure_latency(time_box& box, team& all, const working_memory& memory, std::size_t bytes) {
    auto* words = reinterpret_cast<std::uint64_t*>(memory.begin());
    const std::size_t lines = std::bit_floor(bytes / k_line);
    const scatter order(static_cast<unsigned>(std::bit_width(lines) - 1));
    std::atomic<std::size_t> whole{0};
    // One ring through all lines: each holds where the next one begins.
    all.run(box, [&](std::size_t me, const std::atomic<bool>& stop) {
        const std::size_t from = lines * me / all.size(), to = lines * (me + 1) / all.size();
        for (std::size_t i = from; i < to; ++i) {
            if (i % 4096 == 0 && stop.load(std::memory_order_relaxed)) return;
            words[order(i) * k_words] = order((i + 1) & (lines - 1)) * k_words;
        }
        ++whole;
    });
    if (whole != all.size()) return {};
    std::uint64_t at = 0;
    auto per_second = rates(box, k_latency_round, processor_seconds, [&] {
        for (std::size_t i = 0; i < k_hops_per_look; ++i) at = words[at];
        // The loads have happened: the next one's place comes from them.
        return at < lines * k_words;
    });
    for (double& each : per_second) each = 1e9 / (each * static_cast<double>(k_hops_per_look));
    return per_second;
}

}  // namespace sigrun::benchmark
