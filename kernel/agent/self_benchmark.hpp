// The runner measures itself: once after it has started, when nothing is to do, and again when the result is not good any more.
//
// A job is never kept waiting for it: an offer ends what is being measured, and the next try waits for a quiet interval. [any]
// unless said otherwise.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/capability/detector.hpp"
#include "kernel/capability/tier_keeper.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace sigrun {

class self_benchmark : public std::enable_shared_from_this<self_benchmark> {
public:
    /// `wanted`: false: nothing is ever measured. `file`: where a result is kept, so that a restart measures nothing; one that
    /// cannot be read is none. Empty: nowhere.
    self_benchmark(plugin_host& host, detector& facts, const clock& clk, bool wanted, std::string file);

    /// [hot] Whatever is being measured ends.
    void job_offered() noexcept {
        if (!offered_.load(std::memory_order_relaxed)) offered_.store(true);
        if (running_.load()) give_way();
    }
    /// Every now and then: begins to measure if there is no good result and nothing was offered since the last look. `measured`
    /// is called when there is a new result.
    void look(bool idle, const capability_document& facts, std::function<void()> measured);
    bool measuring() const noexcept { return running_.load(); }
    /// Adds what is known of this machine's speed, and the tiers that all of it shows; what an operator declares stays.
    void complete(std::vector<fact>& facts);
    /// The runner stops: nothing is measured any more.
    void stop();

private:
    void load();
    void save();
    void give_way();
    void take(const capability_ptr& found, const std::function<void()>& measured);
    void add_measured(std::vector<fact>& facts) const;

    plugin_host& host_;
    detector& detector_;
    const clock& clock_;
    const bool wanted_;
    const std::string file_;
    std::atomic<bool> offered_{false}, running_{false}, given_way_{false};

    mutable std::mutex mutex_;        // the next group
    std::vector<fact> measured_;      // perf.*
    std::string machine_;             // what it was measured on
    std::string being_measured_;      // what is measured now
    std::int64_t good_until_ns_ = 0;  // wall clock
    time_point next_try_{};
    nanoseconds pause_{0};  // after tries that came to nothing
    tier_keeper keeper_;
};

/// What a measurement holds for: the machine, its microcode, its kernel and its limits.
std::string machine_signature(const capability_document& facts);

}  // namespace sigrun
