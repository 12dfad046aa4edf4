#include "kernel/select/predicate.hpp"

namespace sigrun {

predicate::predicate(requirement_ptr r, std::uint32_t id, std::uint32_t max_pages)
    : requirement_(std::move(r)),
      id_(id),
      pages_((max_pages + 63) / 64),
      mixed_((max_pages + 63) / 64),
      chunks_((max_pages + k_chunk - 1) / k_chunk) {}

predicate::~predicate() {
    for (auto& c : chunks_) delete c.load();
    delete policies();
}

class_policies& predicate::make_policies() {
    if (!policies()) policies_.store(new class_policies, std::memory_order_release);
    return *policies();
}

void predicate::set_page(std::uint32_t page, page_kind kind) {
    const std::uint64_t bit = bit_of(page);
    if (kind == page_kind::mixed) {
        if (!chunk(page)) chunks_[page / k_chunk].store(new slot_chunk);
        any_mixed_.store(true);
        // The page's bit comes with its first matching slot.
        chunk(page)->slots[page % k_chunk].store(0);
        mixed_[page >> 6].fetch_or(bit);
        pages_[page >> 6].fetch_and(~bit);
        return;
    }
    mixed_[page >> 6].fetch_and(~bit);
    if (slot_chunk* c = chunk(page)) c->slots[page % k_chunk].store(~0ull);
    if (kind == page_kind::all)
        pages_[page >> 6].fetch_or(bit);
    else
        pages_[page >> 6].fetch_and(~bit);
}

void predicate::set_slot(std::uint32_t slot, bool matches) noexcept {
    const std::uint32_t page = page_of(slot);
    atomic_word& slots = chunk(page)->slots[page % k_chunk];
    if (matches) {
        slots.fetch_or(bit_of(slot));
        pages_[page >> 6].fetch_or(bit_of(page));
    } else if ((slots.fetch_and(~bit_of(slot)) & ~bit_of(slot)) == 0) {
        pages_[page >> 6].fetch_and(~bit_of(page));
    }
}

}  // namespace sigrun
