// Numbers of lanes of the waiting queue, one bit each. Small and dense numbers; words that are not there are zero.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sigrun {

class lane_set {
public:
    void set(std::uint32_t lane) {
        if (lane / 64 >= words_.size()) words_.resize(lane / 64 + 1);
        words_[lane / 64] |= bit(lane);
    }
    void clear(std::uint32_t lane) noexcept {
        if (lane / 64 < words_.size()) words_[lane / 64] &= ~bit(lane);
    }
    bool has(std::uint32_t lane) const noexcept { return lane / 64 < words_.size() && (words_[lane / 64] & bit(lane)); }
    void reset() noexcept { std::fill(words_.begin(), words_.end(), 0); }
    void add(const lane_set& other) {
        if (words_.size() < other.words_.size()) words_.resize(other.words_.size());
        for (std::size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
    }
    /// What both have; reuses the memory of this one.
    void assign_common(const lane_set& a, const lane_set& b) {
        words_.resize(std::min(a.words_.size(), b.words_.size()));
        for (std::size_t i = 0; i < words_.size(); ++i) words_[i] = a.words_[i] & b.words_[i];
    }
    bool meets(const lane_set& other) const noexcept {
        const std::size_t n = std::min(words_.size(), other.words_.size());
        for (std::size_t i = 0; i < n; ++i)
            if (words_[i] & other.words_[i]) return true;
        return false;
    }
    std::size_t count_common(const lane_set& other) const noexcept {
        std::size_t out = 0;
        const std::size_t n = std::min(words_.size(), other.words_.size());
        for (std::size_t i = 0; i < n; ++i) out += static_cast<std::size_t>(std::popcount(words_[i] & other.words_[i]));
        return out;
    }
    template <class F>
    void each_common(const lane_set& other, F&& f) const {
        const std::size_t n = std::min(words_.size(), other.words_.size());
        for (std::size_t i = 0; i < n; ++i)
            for (std::uint64_t rest = words_[i] & other.words_[i]; rest; rest &= rest - 1)
                f(static_cast<std::uint32_t>(i * 64 + static_cast<std::size_t>(std::countr_zero(rest))));
    }

private:
    static constexpr std::uint64_t bit(std::uint32_t lane) noexcept { return 1ull << (lane & 63u); }
    std::vector<std::uint64_t> words_;
};

}  // namespace sigrun
