// An interned requirement with its answers: which pages match, and, in pages whose runners differ in what it
// asks, which slots. Answers are written by the selector's one writer and read without a lock.
#pragma once

#include "kernel/select/estimate.hpp"
#include "kernel/select/policy_choice.hpp"
#include "kernel/select/requirement.hpp"
#include "kernel/select/slot_index.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

namespace sigrun {

class predicate : public std::enable_shared_from_this<predicate> {
public:
    predicate(requirement_ptr r, std::uint32_t id, std::uint32_t max_pages);
    ~predicate();
    predicate(const predicate&) = delete;
    predicate& operator=(const predicate&) = delete;

    const requirement& what() const noexcept { return *requirement_; }
    std::uint32_t id() const noexcept { return id_; }
    /// Of the jobs that ask for this. [any]
    class_estimate& jobs() noexcept { return jobs_; }
    const class_estimate& jobs() const noexcept { return jobs_; }
    /// [any] Who picks for them, where that is chosen; null until some have ended.
    class_policies* policies() const noexcept { return policies_.load(std::memory_order_acquire); }
    /// [tick]
    class_policies& make_policies();
    /// [any] Whether most runners that match are out. Picks that find nothing ask, ticks answer.
    struct panic_state {
        std::atomic<std::int64_t> asked_ns{0};
        std::atomic<bool> panics{false};
    } panic;

    /// [any] How much of the places of those that match is taken; see selector::load.
    struct load_state {
        std::atomic<std::int64_t> looked_ns{0};
        std::atomic<float> share{0};
    } load;

    /// A bit per page; for a mixed page: some of its slots may match.
    const atomic_word* pages() const noexcept { return pages_.data(); }
    bool has_page(std::uint32_t page) const noexcept { return pages_[page >> 6].load() & bit_of(page); }
    bool is_mixed(std::uint32_t page) const noexcept { return mixed_[page >> 6].load() & bit_of(page); }
    bool any_mixed() const noexcept { return any_mixed_.load(); }
    /// The slots of a page that match; all of them if the page is of one kind.
    std::uint64_t slots(std::uint32_t page) const noexcept {
        if (!has_page(page)) return 0;
        if (!any_mixed() || !is_mixed(page)) return ~0ull;
        return chunk(page)->slots[page % k_chunk].load();
    }
    /// For sigrun_view: which slots match.
    const std::uint64_t* const* match() const noexcept {
        return any_mixed() ? reinterpret_cast<const std::uint64_t* const*>(chunks_.data()) : nullptr;
    }
    /// Some answer changes by time alone; ageing says which.
    bool ages() const noexcept { return ages_.load(std::memory_order_acquire); }

    // -- [one writer]
    // ----------------------------------------------------------------------------------------------
    enum class page_kind : std::uint8_t { none, all, mixed };
    void set_page(std::uint32_t page, page_kind kind);
    page_kind kind_of(std::uint32_t page) const noexcept {
        return is_mixed(page) ? page_kind::mixed : has_page(page) ? page_kind::all : page_kind::none;
    }
    void set_slot(std::uint32_t slot, bool matches) noexcept;
    /// From here on its answers are complete. Once.
    void end_judging() noexcept {
        judged_.store(true, std::memory_order_release);
        judged_.notify_all();
    }
    /// [any] Not by a thread that holds the mutex.
    void wait_until_judged() const noexcept { judged_.wait(false, std::memory_order_acquire); }
    void set_ages() noexcept {
        if (!ages_.load(std::memory_order_relaxed)) ages_.store(true, std::memory_order_release);
    }

private:
    static constexpr std::uint32_t k_chunk = SIGRUN_MATCH_PAGES;
    /// All slots of pages that are not mixed.
    struct slot_chunk {
        slot_chunk() {
            for (auto& page : slots) page.store(~0ull, std::memory_order_relaxed);
        }
        std::array<atomic_word, k_chunk> slots;
    };
    static_assert(sizeof(std::atomic<slot_chunk*>) == sizeof(const std::uint64_t*));
    slot_chunk* chunk(std::uint32_t page) const noexcept { return chunks_[page / k_chunk].load(); }

    requirement_ptr requirement_;
    std::uint32_t id_;
    class_estimate jobs_;
    std::atomic<class_policies*> policies_{nullptr};
    std::vector<atomic_word> pages_, mixed_;
    std::vector<std::atomic<slot_chunk*>> chunks_;  // made for the first mixed page in their range
    std::atomic<bool> any_mixed_{false};
    std::atomic<bool> ages_{false}, judged_{false};
};

/// The pages of a predicate below `n_pages` that match or may match, one after the other.
class page_walk {
public:
    page_walk(const predicate& p, std::uint32_t n_pages) noexcept : words_(p.pages()), n_words_((n_pages + 63) / 64) {
        if (n_words_) left_ = words_[0].load(std::memory_order_acquire);
    }
    bool more() noexcept {
        while (!left_ && ++word_ < n_words_) left_ = words_[word_].load(std::memory_order_acquire);
        return left_ != 0;
    }
    std::uint32_t next() noexcept {
        const auto bit = static_cast<std::uint32_t>(std::countr_zero(left_));
        left_ &= left_ - 1;
        return word_ * 64 + bit;
    }

private:
    const atomic_word* words_;
    std::uint32_t n_words_, word_ = 0;
    std::uint64_t left_ = 0;
};

}  // namespace sigrun
