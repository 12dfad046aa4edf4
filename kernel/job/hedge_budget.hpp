// How many copies of slow jobs may be begun: a share of the offers that were made, as a token bucket. What was not used is kept
// for ten copies at most, so that a quiet day does not end in a storm.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

namespace sigrun {

/// [any]; asked once for each copy that is wanted, never by what it is measured by.
class hedge_budget {
public:
    static constexpr double k_most = 10;

    /// `offers`: all that were made so far; never fewer than the last time. False: there are too many copies.
    bool take(std::uint64_t offers, double share) noexcept {
        std::lock_guard lock(mutex_);
        if (offers > seen_) {
            tokens_ = std::min(tokens_ + share * static_cast<double>(offers - seen_), k_most);
            seen_ = offers;
        }
        if (tokens_ < 1) return false;
        tokens_ -= 1;
        return true;
    }
    /// The copy that was taken was not begun.
    void give_back() noexcept {
        std::lock_guard lock(mutex_);
        tokens_ = std::min(tokens_ + 1, k_most);
    }

private:
    std::mutex mutex_;
    std::uint64_t seen_ = 0;
    double tokens_ = 0;
};

}  // namespace sigrun
