// What a pick saw: kept of one pick in a thousand or so, and of jobs that ask for it. Bounded: the oldest go.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sigrun {

struct pick_trace {
    struct candidate {
        std::string runner;
        bool picked = false;
        int tier = -1;  // as in explain_record; -1: it could take no job
        std::uint32_t in_flight = 0, places = 0;
        std::uint32_t score = 0;  // 256 * log2 of the expected cost there; less is better
        double relative_cost = 1, relative_time = 1, success = 1, wait_us = 0;
        std::uint32_t samples = 0;
    };
    std::int64_t at_ns = 0;             // wall clock
    std::uint32_t looked_at = 0;        // runners, of which these are the picked one and the best others
    std::vector<candidate> candidates;  // the picked one first
    std::uint32_t samples = 0;          // jobs of the requirement that have succeeded
    double mean_exec_us = 0, p95_exec_us = 0;
};

/// The newest ones. [any]
class trace_ring {
public:
    static constexpr std::size_t k_kept = 1024;

    std::weak_ptr<const pick_trace> keep(pick_trace t) {
        auto made = std::make_shared<const pick_trace>(std::move(t));
        std::lock_guard lock(mutex_);
        newest_.push_back(made);
        if (newest_.size() > k_kept) newest_.pop_front();
        return made;
    }

private:
    std::mutex mutex_;
    std::deque<std::shared_ptr<const pick_trace>> newest_;
};

}  // namespace sigrun
