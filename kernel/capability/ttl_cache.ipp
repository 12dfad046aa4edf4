// Implementation of ttl_cache. Included by ttl_cache.hpp only.
//
// Two maps under one mutex: entries (what is known, in use order) and flights (what is being found out). A
// flight owns its waiters under a mutex of its own, so it can still answer them when the cache is gone. Lock
// order: cache, flight. Invariant: a flight leaves the map before its waiters are taken, so nobody joins a
// flight that has landed.
#pragma once

#include <algorithm>
#include <atomic>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sigrun {

template <class Value>
struct ttl_cache<Value>::impl {
    static constexpr nanoseconds k_first_backoff = std::chrono::seconds(5);
    static constexpr nanoseconds k_last_backoff = std::chrono::seconds(60);
    static constexpr std::size_t k_max_waiting = 65'536;  // flights, and waiters of one flight

    struct entry {
        std::string key;
        result<value_ptr> what;
        time_point stored, expires;
        nanoseconds backoff{0};  // 0 after a success
    };
    struct flight {
        std::mutex mutex;
        std::vector<reply> waiters;

        void land(const result<value_ptr>& what) noexcept {  // a reply that throws is a bug worth a core
            std::vector<reply> list;
            {
                std::lock_guard lock(mutex);
                list.swap(waiters);
            }
            for (reply& r : list) r(what);
        }
    };
    /// What `finish` holds: completes the flight once, at the latest when nobody can call finish any more.
    struct pilot {
        std::weak_ptr<impl> cache;
        std::string key;
        std::shared_ptr<flight> mine;
        std::atomic<bool> landed{false};

        void complete(result<value_ptr> what) noexcept {
            if (landed.exchange(true)) return;
            if (what && !*what) what = make_problem(errc::internal, "a cached run ended without a value");
            if (auto c = cache.lock()) c->store(key, mine, what);
            mine->land(what);
        }
        ~pilot() { complete(make_problem(errc::internal, "a cached run ended without an answer")); }
    };

    impl(const clock& clk, nanoseconds ttl, std::size_t max_entries)
        : clock_(clk), ttl_(ttl), max_entries_(std::max<std::size_t>(max_entries, 1)) {}

    void store(const std::string& key, const std::shared_ptr<flight>& from, const result<value_ptr>& what) {
        std::lock_guard lock(mutex_);
        auto current = flights_.find(key);
        if (current == flights_.end() || current->second != from) return;  // invalidated meanwhile
        flights_.erase(current);
        nanoseconds backoff{0};
        if (auto old = index_.find(key); old != index_.end()) {
            backoff = old->second->backoff;
            order_.erase(old->second);
            index_.erase(old);
        }
        backoff = what              ? nanoseconds(0)
                  : backoff.count() ? std::min(backoff * 2, k_last_backoff)
                                    : k_first_backoff;
        const auto now = clock_.now();
        order_.push_front(entry{key, what, now, now + (what ? ttl_ : backoff), backoff});
        index_[key] = order_.begin();
        while (order_.size() > max_entries_) {
            index_.erase(order_.back().key);
            order_.pop_back();
            ++stats_.evicted;
        }
    }

    const clock& clock_;
    nanoseconds ttl_;
    const std::size_t max_entries_;
    mutable std::mutex mutex_;
    std::list<entry> order_;  // most recently used first
    std::unordered_map<std::string, typename std::list<entry>::iterator> index_;
    std::unordered_map<std::string, std::shared_ptr<flight>> flights_;
    cache_stats stats_;
};

template <class Value>
ttl_cache<Value>::ttl_cache(const clock& clk, nanoseconds ttl, std::size_t max_entries)
    : impl_(std::make_shared<impl>(clk, ttl, max_entries)) {}

template <class Value>
void ttl_cache<Value>::get(const std::string& key, const std::function<void(finish)>& run, reply done,
                           bool fresh) {
    using flight = typename impl::flight;
    std::shared_ptr<flight> started;
    problem crowded = make_problem(errc::busy, "too many callers wait for this answer");
    crowded.retry_after_ms = 1000;
    result<value_ptr> known = std::move(crowded);
    {
        std::lock_guard lock(impl_->mutex_);
        auto at = impl_->index_.find(key);
        auto running = impl_->flights_.find(key);
        if (!fresh && at != impl_->index_.end() && impl_->clock_.now() < at->second->expires) {
            impl_->order_.splice(impl_->order_.begin(), impl_->order_, at->second);
            known = at->second->what;
            ++(known ? impl_->stats_.hits : impl_->stats_.negative);
        } else if (running != impl_->flights_.end()) {
            std::lock_guard waiting(running->second->mutex);
            if (running->second->waiters.size() < impl::k_max_waiting) {
                running->second->waiters.push_back(std::move(done));
                ++impl_->stats_.shared;
                return;
            }
        } else if (impl_->flights_.size() < impl::k_max_waiting) {
            started = std::make_shared<flight>();
            started->waiters.push_back(std::move(done));
            impl_->flights_[key] = started;
            ++impl_->stats_.misses;
        }
    }
    if (!started) return done(std::move(known));

    auto pilot = std::make_shared<typename impl::pilot>();
    pilot->cache = impl_;
    pilot->key = key;
    pilot->mine = std::move(started);
    try {
        run([pilot](result<value_ptr> what) { pilot->complete(std::move(what)); });
    } catch (const std::exception& e) {
        pilot->complete(make_problem(errc::internal, e.what()));
    }
}

template <class Value>
void ttl_cache<Value>::invalidate(const std::string& key) {
    std::lock_guard lock(impl_->mutex_);
    if (auto at = impl_->index_.find(key); at != impl_->index_.end()) {
        impl_->order_.erase(at->second);
        impl_->index_.erase(at);
    }
    impl_->flights_.erase(key);  // its waiters are answered, its result is not kept
}

template <class Value>
void ttl_cache<Value>::clear() {
    std::lock_guard lock(impl_->mutex_);
    impl_->order_.clear();
    impl_->index_.clear();
    impl_->flights_.clear();
}

template <class Value>
void ttl_cache<Value>::set_ttl(nanoseconds ttl) {
    std::lock_guard lock(impl_->mutex_);
    impl_->ttl_ = ttl;
}

template <class Value>
cache_stats ttl_cache<Value>::stats() const {
    std::lock_guard lock(impl_->mutex_);
    cache_stats s = impl_->stats_;
    s.entries = impl_->order_.size();
    return s;
}

template <class Value>
typename ttl_cache<Value>::answer_info ttl_cache<Value>::peek(const std::string& key) const {
    std::lock_guard lock(impl_->mutex_);
    auto at = impl_->index_.find(key);
    const auto now = impl_->clock_.now();
    if (at == impl_->index_.end() || !at->second->what || now >= at->second->expires) return {};
    return {true, now - at->second->stored};
}

}  // namespace sigrun
