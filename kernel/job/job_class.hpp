// What jobs of one requirement have in common while some of them are known: how many attempts are under way, and how soon
// their runners answer.
#pragma once

#include "kernel/job/delay_sketch.hpp"
#include "kernel/job/wait_queue.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace sigrun {

struct job_class {
    explicit job_class(predicate_ptr p) : pred(std::move(p)) {}
    const predicate_ptr pred;
    std::atomic<std::uint32_t> attempts{0};     // under way, without the retries that the budget counts
    std::uint32_t retries = 0;                  // that it counts; as the next, under the budget's lock
    std::deque<std::weak_ptr<waiter>> denied;   // retries that wait for the budget, first come first served
    delay_sketch acks;                          // from the offer to the runner's answer
    std::atomic<std::int64_t> usual_ack_ns{0};  // within which nearly all come; 0 = too few have
    std::atomic<std::uint32_t> n_acks{0};
    std::atomic<std::int64_t> fails_after_ns{0};  // how long an attempt usually lives that fails for the infrastructure

    /// [any]
    void note_ack(nanoseconds took, double quantile, std::uint32_t at_least) noexcept;
};
using class_ptr = std::shared_ptr<job_class>;

class job_classes {
public:
    /// [any]
    class_ptr of(const predicate_ptr& pred);

private:
    std::mutex mutex_;
    std::unordered_map<const predicate*, std::weak_ptr<job_class>> classes_;
    std::size_t sweep_at_ = 64;
};

}  // namespace sigrun
