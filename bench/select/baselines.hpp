// What others do to choose a runner, re-implemented to be timed beside ours in the same run. Each has take() and
// give_back(), without constraints but for the scan.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace sigrun::bench {

/// Looks at every runner: has it what the job asks (already compiled to a bit mask), and what is its load. The least
/// loaded one gets the job.
class plain_scan {
public:
    explicit plain_scan(std::uint32_t n) : has_(n), load_(n) {
        for (std::uint32_t i = 0; i < n; ++i) {
            has_[i] = (i * 0x9e3779b97f4a7c15u) | 1;
            load_[i] = i * 7919u % 8;
        }
    }
    std::uint32_t take() noexcept {
        std::uint32_t best = 0, lowest = ~0u;
        for (std::uint32_t i = 0; i < load_.size(); ++i)
            if ((has_[i] & k_asked) == k_asked && load_[i] < lowest) lowest = load_[i], best = i;
        ++load_[best];
        return best;
    }
    void give_back(std::uint32_t i) noexcept { --load_[i]; }

private:
    static constexpr std::uint64_t k_asked = 0b101;
    std::vector<std::uint64_t> has_;
    std::vector<std::uint32_t> load_;
};

/// Envoy's weighted round robin: a heap by deadline, the earliest gets the job and a deadline 1 / weight later.
class deadline_heap {
public:
    explicit deadline_heap(std::uint32_t n) {
        for (std::uint32_t i = 0; i < n; ++i) heap_.emplace_back(1.0 / weight(i) * (i % 97) / 97, i);
        std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
    }
    std::uint32_t take() noexcept {
        std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
        const std::uint32_t i = heap_.back().second;
        heap_.back().first += 1.0 / weight(i);
        std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
        return i;
    }
    void give_back(std::uint32_t) noexcept {}

private:
    static double weight(std::uint32_t i) noexcept { return 1 << i % 4; }
    std::vector<std::pair<double, std::uint32_t>> heap_;
};

/// HAProxy's leastconn: a tree ordered by load; a runner is taken out and put back at each change of its load. No node is
/// allocated or freed.
class load_tree {
public:
    explicit load_tree(std::uint32_t n) : load_(n) {
        for (std::uint32_t i = 0; i < n; ++i) tree_.emplace(load_[i] = i * 7919u % 8, i);
    }
    std::uint32_t take() {
        const std::uint32_t i = tree_.begin()->second;
        move(i, load_[i] + 1);
        return i;
    }
    void give_back(std::uint32_t i) { move(i, load_[i] - 1); }

private:
    void move(std::uint32_t i, std::uint32_t to) {
        auto node = tree_.extract({load_[i], i});
        node.value() = {load_[i] = to, i};
        tree_.insert(std::move(node));
    }
    std::vector<std::uint32_t> load_;
    std::set<std::pair<std::uint32_t, std::uint32_t>> tree_;
};

/// The same, as threads share it.
class locked_load_tree {
public:
    explicit locked_load_tree(std::uint32_t n) : tree_(n) {}
    std::uint32_t take() {
        std::lock_guard lock(mutex_);
        return tree_.take();
    }
    void give_back(std::uint32_t i) {
        std::lock_guard lock(mutex_);
        tree_.give_back(i);
    }

private:
    std::mutex mutex_;
    load_tree tree_;
};

}  // namespace sigrun::bench
