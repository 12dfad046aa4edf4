// What requirements look at, by slot: the facts and labels of its runner. Written by the selector's one writer, which reads it
// without a lock; a claim that has to look again at a runner copies its entry under the lock of its page, held for some ten
// instructions.
#pragma once

#include "kernel/select/requirement.hpp"
#include "kernel/select/reserved_array.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace sigrun {

struct runner_subject {
    sheet_ptr facts;
    std::shared_ptr<const label_map> labels;

    match_subject view() const noexcept { return {facts.get(), labels.get()}; }
};

class slot_subjects {
public:
    explicit slot_subjects(std::uint32_t max_pages);
    ~slot_subjects();
    slot_subjects(const slot_subjects&) = delete;
    slot_subjects& operator=(const slot_subjects&) = delete;

    /// [one writer]
    void put(std::uint32_t slot, runner_subject subject);
    /// [one writer]
    void erase(std::uint32_t slot);
    /// [one writer] Valid until the next put or erase; the slot must have one.
    const runner_subject& at(std::uint32_t slot) const noexcept;
    /// [any] Empty if there is none.
    runner_subject copy(std::uint32_t slot) const noexcept;

private:
    /// Room for slots up to the highest that was ever used, in steps of powers of two: most pages of a fleet of machines
    /// that all differ have one slot.
    struct page {
        std::mutex mutex;  // of what follows, against readers
        std::unique_ptr<runner_subject[]> slots;
        std::uint32_t room = 0, used = 0;
    };
    page* find(std::uint32_t slot) const noexcept;

    reserved_array<std::atomic<page*>> pages_;
};

}  // namespace sigrun
