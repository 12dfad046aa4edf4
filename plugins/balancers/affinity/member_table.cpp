#include "member_table.hpp"

#include "rendezvous.hpp"

#include <algorithm>

namespace sigrun::affinity {
namespace {

constexpr std::uint32_t k_small_fleet = 4096;  // slots; looked at in some microseconds
constexpr std::uint64_t k_look_every_ns = 100'000'000;

}  // namespace

void member_table::refresh(const sigrun_view& view, std::uint64_t now_ns) {
    if (view.epoch == epoch_) return;
    if (version_ && view.n_slots > k_small_fleet && now_ns - looked_ns_ < k_look_every_ns) return;
    if (view.n_pages > live_.capacity()) {  // doubled, so that a growing fleet seldom allocates
        live_.reserve(2 * std::size_t{view.n_pages});
        group_.reserve(2 * std::size_t{view.n_slots});
        slots_.reserve(2 * std::size_t{view.n_slots});
    }
    live_.assign(view.n_pages, 0);
    group_.assign(view.n_slots, k_nobody);
    std::fill(std::begin(first_), std::end(first_), 0u);
    for (std::uint32_t slot = 0; slot < view.n_slots; ++slot) {
        const std::uint64_t identity = sdk::load_once(view.identity[slot]);
        if (!identity) continue;
        const std::uint32_t group = group_of(mix(identity));
        group_[slot] = static_cast<std::uint16_t>(group);
        live_[slot >> 6] |= 1ull << (slot & 63u);
        ++first_[group + 1];
    }
    for (std::uint32_t g = 0; g < k_groups; ++g) first_[g + 1] += first_[g];
    slots_.resize(first_[k_groups]);
    std::uint32_t at[k_groups];
    std::copy_n(first_, k_groups, at);
    for (std::uint32_t page = 0; page < view.n_pages; ++page)
        for (std::uint64_t rest = live_[page]; rest; rest &= rest - 1) {
            const std::uint32_t slot = page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
            slots_[at[group_[slot]]++] = slot;
        }
    epoch_ = view.epoch;
    looked_ns_ = now_ns;
    ++version_;
}

}  // namespace sigrun::affinity
