// What is known of the jobs of one tenant, or of one named queue: how many of them wait, how many may, and how large the
// tenant's share is. Jobs hold the account of their tenant and of their queue; one that nobody holds is forgotten.
#pragma once

#include "kernel/base/clock.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sigrun {

struct wait_account {
    explicit wait_account(std::string n, std::uint32_t i) : name(std::move(n)), number(i) {}
    const std::string name;
    const std::uint32_t number;  // its own for as long as the program runs
    std::atomic<std::uint32_t> weight{1};
    std::atomic<std::uint64_t> most{0};  // jobs that may wait; 0 = any number
    std::atomic<std::uint64_t> waiting{0};

    std::atomic<double> rate{0};  // submits per second; 0 = any number
    std::atomic<std::uint32_t> burst{1};
    std::atomic<time_point> full_again{};  // when the rate would have forgotten all submits so far

    /// Takes `n` submits at once off the rate: 0, or how long until there is room for them. [any], lock-free.
    nanoseconds take(time_point now, std::uint32_t n = 1) noexcept;

    bool full() const noexcept {
        const auto limit = most.load(std::memory_order_relaxed);
        return limit && waiting.load(std::memory_order_relaxed) >= limit;
    }
};
using account_ptr = std::shared_ptr<wait_account>;

/// What a [tenant NAME] or [queue NAME] section says, or the default.
struct account_rules {
    std::uint32_t weight = 1;
    std::uint64_t most = 0;
    double rate = 0;  // submits per second; 0 = any number
    std::uint32_t burst = 1;
};

class wait_accounts {
public:
    using rules_by_name = std::map<std::string, account_rules, std::less<>>;
    /// [any]
    account_ptr find(std::string_view name);
    /// How many jobs of each wait; of those without rules of their own, and beyond `most` of those with, together under "". [any]
    std::vector<std::pair<std::string, std::uint64_t>> waiting(std::size_t most) const;
    /// For accounts of now and later. [any]
    void set_rules(account_rules others, rules_by_name named);

private:
    void apply(wait_account& a) const;
    mutable std::mutex mutex_;
    account_rules others_;
    rules_by_name named_;
    std::unordered_map<std::string, std::weak_ptr<wait_account>> accounts_;
    std::uint32_t next_ = 0;
    std::size_t sweep_at_ = 64;
};

}  // namespace sigrun
