// Threads that do the same thing at the same time, each on its own processor.
//
// One thread owns the team and waits for the others; they end with it. Their stacks are small, because the address space of a
// process for probes is.
#pragma once

#include "time_box.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace sigrun::benchmark {

class team {
public:
    using task = std::function<void(std::size_t member, const std::atomic<bool>& stop)>;
    static constexpr unsigned k_anywhere = ~0u;

    /// One thread per entry: the number of its processor, or k_anywhere. There may be fewer than asked for: see complete().
    explicit team(std::vector<unsigned> processors);
    ~team();
    team(const team&) = delete;
    team& operator=(const team&) = delete;

    std::size_t size() const noexcept { return threads_.size(); }
    bool complete() const noexcept { return error_ == 0; }
    int error() const noexcept { return error_; }
    /// Every member does `what`; returns when all are done. `stop` becomes true when the box closes, and `what` ends then.
    void run(time_box& box, const task& what);

private:
    struct member {
        team* whole;
        std::size_t number;
    };
    static void* serve(void* me);
    void work(std::size_t number);

    std::vector<member> members_;
    std::vector<pthread_t> threads_;
    int error_ = 0;
    std::mutex mutex_;
    std::condition_variable begun_, done_;
    const task* what_ = nullptr;
    std::uint64_t turn_ = 0;
    std::size_t busy_ = 0;
    bool over_ = false;
    std::atomic<bool> stop_{false};
};

/// While it lives, the calling thread stays on the processor that it was on.
class pinned_here {
public:
    pinned_here();
    ~pinned_here();
    pinned_here(const pinned_here&) = delete;
    pinned_here& operator=(const pinned_here&) = delete;

private:
    std::vector<unsigned char> before_;  // the mask; empty: nothing was changed
};

}  // namespace sigrun::benchmark
