#include "kernel/select/subjects.hpp"

#include "kernel/select/slot_index.hpp"

#include <algorithm>
#include <bit>

namespace sigrun {

slot_subjects::slot_subjects(std::uint32_t max_pages) : pages_(max_pages) {}

slot_subjects::~slot_subjects() {
    for (std::size_t p = 0; p < pages_.size(); ++p) delete pages_[p].load();
}

slot_subjects::page* slot_subjects::find(std::uint32_t slot) const noexcept {
    return page_of(slot) < pages_.size() ? pages_[page_of(slot)].load(std::memory_order_acquire) : nullptr;
}

void slot_subjects::put(std::uint32_t slot, runner_subject subject) {
    page* p = find(slot);
    if (!p) {
        p = new page;
        pages_[page_of(slot)].store(p, std::memory_order_release);
    }
    const std::uint32_t place = slot & 63u;
    std::unique_ptr<runner_subject[]> wider;  // what was there goes after the lock does
    if (place >= p->room) {
        const std::uint32_t room = std::bit_ceil(place + 1);
        wider = std::make_unique<runner_subject[]>(room);
        std::copy(p->slots.get(), p->slots.get() + p->room, wider.get());
        const std::lock_guard lock(p->mutex);
        p->slots.swap(wider);
        p->room = room;
    }
    p->used += !p->slots[place].facts && !p->slots[place].labels;
    const std::lock_guard lock(p->mutex);
    std::swap(p->slots[place], subject);
}

void slot_subjects::erase(std::uint32_t slot) {
    page* p = find(slot);
    const std::uint32_t place = slot & 63u;
    if (!p || place >= p->room) return;
    runner_subject gone;
    std::unique_ptr<runner_subject[]> empty;
    const bool had = p->slots[place].facts || p->slots[place].labels;
    const bool last = had && --p->used == 0;
    const std::lock_guard lock(p->mutex);
    std::swap(p->slots[place], gone);
    if (!last) return;
    p->slots.swap(empty);
    p->room = 0;
}

const runner_subject& slot_subjects::at(std::uint32_t slot) const noexcept {
    static const runner_subject nobody;
    const page* p = find(slot);
    return p && (slot & 63u) < p->room ? p->slots[slot & 63u] : nobody;
}

runner_subject slot_subjects::copy(std::uint32_t slot) const noexcept {
    page* p = find(slot);
    if (!p) return {};
    const std::lock_guard lock(p->mutex);
    return (slot & 63u) < p->room ? p->slots[slot & 63u] : runner_subject();
}

}  // namespace sigrun
