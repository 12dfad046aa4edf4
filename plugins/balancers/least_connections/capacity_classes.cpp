#include "capacity_classes.hpp"

#include <algorithm>

namespace sigrun::least_connections {

using sdk::load_once;

void capacity_classes::refresh(const sigrun_view& view) {
    const std::uint64_t layout = sdk::layout_of(view);
    if (layout_ == layout) return;
    const std::uint32_t words = sdk::page_words(view);
    for (auto& c : classes_) c.pages.assign(words, 0);
    for (std::uint32_t page = 0; page < view.n_pages; ++page) {
        const sigrun_cohort& cohort = view.cohort[load_once(view.page_cohort[page])];
        const std::uint64_t capacity = std::uint64_t{load_once(cohort.places)} * load_once(cohort.weight);
        if (!capacity) continue;
        auto at = std::lower_bound(classes_.begin(), classes_.end(), capacity,
                                   [](const capacity_class& c, std::uint64_t v) { return c.capacity > v; });
        if (at == classes_.end() || at->capacity != capacity)
            at = classes_.insert(at, {capacity, std::vector<std::uint64_t>(words)});
        at->pages[page >> 6] |= 1ull << (page & 63u);
    }
    // Capacities that left the fleet would cost every pick a look.
    std::erase_if(classes_, [](const capacity_class& c) {
        return std::all_of(c.pages.begin(), c.pages.end(), [](std::uint64_t w) { return w == 0; });
    });
    layout_ = layout;
}

}  // namespace sigrun::least_connections
