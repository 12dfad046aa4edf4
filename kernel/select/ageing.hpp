// When answers about a runner change by time alone: a fast fact passes its ttl. One time per slot, of all requirements together,
// the earliest; what was told anew meanwhile is found out when it has come. A claim looks at it, so a runner whose facts are too
// old is not picked whether or not somebody has swept since.
#pragma once

#include "kernel/select/reserved_array.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace sigrun {

class ageing {
public:
    explicit ageing(std::size_t max_slots) : at_(max_slots) {}

    /// [one writer] Some answer about the slot holds until then (wall clock).
    void expect(std::uint32_t slot, std::int64_t ns);
    /// [any] Some answer about the slot is of before now.
    bool outdated(std::uint32_t slot, std::int64_t now_ns) const noexcept {
        const std::int64_t end = at_[slot].load(std::memory_order_acquire);
        return end && now_ns >= end;
    }
    /// [any] Some slot will be, or is.
    bool any() const noexcept { return next_.load(std::memory_order_relaxed) != 0; }
    /// [any] Some slot is.
    bool due(std::int64_t now_ns) const noexcept {
        const std::int64_t next = next_.load(std::memory_order_acquire);
        return next && now_ns >= next;
    }
    /// [one writer] One of them, to be judged anew; then `judged`. Nothing: there is none.
    std::optional<std::uint32_t> take(std::int64_t now_ns);
    /// [one writer] Until here the slot counted as outdated; from now on what was expected since take.
    void judged();

private:
    struct entry {
        std::int64_t ns;
        std::uint32_t slot;
        friend bool operator<(const entry& a, const entry& b) noexcept { return a.ns > b.ns; }  // the earliest on top
    };
    static constexpr std::uint32_t k_none = ~0u;
    bool holds(const entry& e) const noexcept { return at_[e.slot].load(std::memory_order_relaxed) == e.ns; }
    void push(entry e);

    reserved_array<std::atomic<std::int64_t>> at_;  // 0: never
    std::vector<entry> heap_;                       // with entries that an earlier one of the same slot has made void
    std::size_t valid_ = 0;
    std::uint32_t judging_ = k_none;
    std::int64_t judged_ns_ = 0;
    std::atomic<std::int64_t> next_{0};
};

}  // namespace sigrun
