#include "latency_board.hpp"

#include <algorithm>
#include <cstdlib>

namespace sigrun::prequal {
namespace {

constexpr auto k_relaxed = std::memory_order_relaxed;
constexpr std::uint32_t k_arrivals = 5;
constexpr std::uint32_t k_like = 5;  // so many results make an estimate

/// The word `arrivals` of a record, taken apart: 21 bits say which of the slots that share the record owns it.
struct arrivals {
    std::uint64_t owner = 0;
    std::uint32_t count = 0;
    std::uint64_t in_flight = 0;

    static arrivals of(std::uint64_t w) noexcept {
        return {w >> 43, static_cast<std::uint32_t>(w >> 40 & 7u), w & 0xff'ffff'ffffu};
    }
    std::uint64_t word() const noexcept {
        return owner << 43 | std::uint64_t{count} << 40 | (in_flight & 0xff'ffff'ffffu);
    }
};
/// 0 is nobody.
std::uint64_t owner_of(std::uint32_t slot) noexcept { return (slot / latency_board::k_records + 1) & 0x1f'ffffu; }

std::uint32_t time_of(std::uint64_t now_ns) noexcept { return static_cast<std::uint32_t>(now_ns >> 20); }

}  // namespace

latency_board::latency_board() : records_(k_records) {}

void latency_board::arrived(std::uint32_t slot, std::uint32_t in_flight) noexcept {
    record& r = records_[slot % k_records];
    std::uint64_t word = r.arrivals.load(k_relaxed);
    arrivals a = arrivals::of(word);
    if (a.owner != owner_of(slot)) {
        a = {owner_of(slot), 0, 0};
        for (auto& each : r.results) each.store(0, k_relaxed);
    }
    // More cannot be there: picks that were not carried out are forgotten here.
    a.count = std::min({a.count, in_flight, k_arrivals - 1}) + 1;
    a.in_flight = a.in_flight << 8 | std::min(in_flight, 255u);
    r.arrivals.compare_exchange_strong(word, a.word(), k_relaxed);
}

void latency_board::ended(std::uint32_t slot, log_latency took, std::uint64_t now_ns) noexcept {
    record& r = records_[slot % k_records];
    std::uint64_t word = r.arrivals.load(k_relaxed);
    arrivals a = arrivals::of(word);
    if (a.owner != owner_of(slot) || !a.count) return;
    --a.count;
    const auto in_flight = static_cast<std::uint32_t>(a.in_flight >> 8 * a.count & 0xffu);
    r.arrivals.compare_exchange_strong(word, a.word(), k_relaxed);
    if (!took) return;
    const std::uint32_t at = static_cast<std::uint32_t>(r.next.fetch_add(1, k_relaxed) % k_results);
    r.results[at].store(1u << 24 | in_flight << 16 | took, k_relaxed);
    r.time.store(time_of(now_ns), k_relaxed);
}

std::optional<log_latency> latency_board::expected(std::uint32_t slot, std::uint32_t in_flight,
                                                   std::uint64_t now_ns) const noexcept {
    const record& r = records_[slot % k_records];
    if (arrivals::of(r.arrivals.load(k_relaxed)).owner != owner_of(slot)) return std::nullopt;
    if (time_of(now_ns) - r.time.load(k_relaxed) > time_of(k_memory_ns)) return std::nullopt;
    // The most alike first: how far the in-flight numbers are apart, above the latency.
    std::uint32_t like[k_like], n = 0;
    for (const auto& each : r.results) {
        const std::uint32_t result = each.load(k_relaxed);
        if (!result) continue;
        const int apart = static_cast<int>(result >> 16 & 0xffu) - static_cast<int>(std::min(in_flight, 255u));
        const std::uint32_t key = static_cast<std::uint32_t>(std::abs(apart)) << 16 | (result & 0xffffu);
        std::uint32_t i = n < k_like ? n++ : k_like;
        if (i == k_like) {
            if (key >= like[k_like - 1]) continue;
            i = k_like - 1;
        }
        for (; i && key < like[i - 1]; --i) like[i] = like[i - 1];
        like[i] = key;
    }
    if (!n) return std::nullopt;
    std::uint32_t latency[k_like];
    for (std::uint32_t i = 0; i < n; ++i) {
        std::uint32_t at = i;
        for (; at && (like[i] & 0xffffu) < latency[at - 1]; --at) latency[at] = latency[at - 1];
        latency[at] = like[i] & 0xffffu;
    }
    return static_cast<log_latency>(latency[n / 2]);
}

}  // namespace sigrun::prequal
