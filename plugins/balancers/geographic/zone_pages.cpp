#include "zone_pages.hpp"

namespace sigrun::geographic {
namespace {

constexpr std::uint32_t k_few_pages = 4096;  // looked at in some microseconds
constexpr std::uint64_t k_look_every_ns = 100'000'000;

}  // namespace

void zone_pages::refresh(const sigrun_view& view, std::uint64_t now_ns) {
    const std::uint64_t layout = sdk::layout_of(view);
    if (layout == layout_ && view.n_zones == zones_) return;
    if (zones_ && view.n_pages > k_few_pages && now_ns - looked_ns_ < k_look_every_ns) return;
    zones_ = view.n_zones;
    words_ = sdk::page_words(view);
    const std::size_t size = std::size_t{zones_} * words_;
    if (size > bits_.capacity()) bits_.reserve(2 * size);
    bits_.assign(size, 0);
    for (std::uint32_t page = 0; page < view.n_pages; ++page) {
        const std::uint32_t zone = sdk::load_once(view.cohort[sdk::load_once(view.page_cohort[page])].zone);
        if (zone < zones_) bits_[std::size_t{zone} * words_ + (page >> 6)] |= 1ull << (page & 63u);
    }
    layout_ = layout;
    looked_ns_ = now_ns;
}

}  // namespace sigrun::geographic
