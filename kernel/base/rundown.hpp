// Lets callers in until it is closed, and closing waits for those who are in (rundown protection): for callbacks that may come while
// their owner ends. [any]
#pragma once

#include <atomic>
#include <cstdint>

namespace sigrun {

class rundown {
public:
    /// Holds the way open; false: it is closed. May be nested.
    class pass {
    public:
        explicit pass(rundown& of) noexcept : of_(of.enter() ? &of : nullptr) {}
        ~pass() {
            if (of_) of_->leave();
        }
        pass(const pass&) = delete;
        pass& operator=(const pass&) = delete;
        explicit operator bool() const noexcept { return of_ != nullptr; }

    private:
        rundown* const of_;
    };

    /// Nobody comes in any more; returns when nobody is in. Not by who is in. Idempotent.
    void close() noexcept {
        for (auto now = state_.fetch_or(k_closed) | k_closed; now != k_closed; now = state_.load()) state_.wait(now);
    }

private:
    static constexpr std::uint64_t k_closed = std::uint64_t{1} << 63;  // the rest: how many are in

    bool enter() noexcept {
        if (!(state_.fetch_add(1) & k_closed)) return true;
        leave();
        return false;
    }
    void leave() noexcept {
        if (state_.fetch_sub(1) == (k_closed | 1)) state_.notify_all();
    }

    std::atomic<std::uint64_t> state_{0};
};

}  // namespace sigrun
