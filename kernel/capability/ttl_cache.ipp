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
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sigrun {

template <class Value>
struct ttl_cache<Value>::impl : std::enable_shared_from_this<impl> {
    static constexpr nanoseconds k_first_backoff = std::chrono::seconds(5);
    static constexpr nanoseconds k_last_backoff = std::chrono::seconds(60);
    static constexpr std::size_t k_max_waiting = 65'536;  // flights, and waiters of one flight

    struct entry {
        std::string key;
        result<value_ptr> what;
        time_point stored, expires;
        nanoseconds backoff{0};  // 0 after a success
        time_point renew, gone;  // renewed from then on by who asks; not even stale after that
    };
    struct flight {
        std::mutex mutex;
        std::vector<told> waiters;

        void land(const result<value_ptr>& what) noexcept {  // a reply that throws is a bug worth a core
            std::vector<told> list;
            {
                std::lock_guard lock(mutex);
                list.swap(waiters);
            }
            for (told& tell : list) tell(answer(what, false));
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

    impl(const clock& clk, nanoseconds ttl, lifetime good_for, std::size_t max_entries)
        : clock_(clk), ttl_(ttl), good_for_(std::move(good_for)), max_entries_(std::max<std::size_t>(max_entries, 1)) {}

    static result<known> answer(const result<value_ptr>& what, bool stale) {
        if (!what) return what.error();
        return known{*what, stale};
    }
    static time_point later(time_point from, nanoseconds by) {
        return by > time_point::max() - from ? time_point::max() : from + by;
    }
    nanoseconds ttl_of(const Value& value) const { return good_for_ ? good_for_(value) : ttl_; }

    /// Takes the place of an entry of the same key. Under the lock.
    void put(entry e) {
        if (auto old = index_.find(e.key); old != index_.end()) {
            order_.erase(old->second);
            index_.erase(old);
        }
        order_.push_front(std::move(e));
        index_[order_.front().key] = order_.begin();
        while (order_.size() > max_entries_) {
            index_.erase(order_.back().key);
            order_.pop_back();
            ++stats_.evicted;
        }
    }
    void set_times(entry& e, nanoseconds ttl) {
        e.expires = later(e.stored, ttl);
        e.gone = e.what ? later(e.expires, ttl) : e.expires;
        std::uniform_real_distribution<double> part(0.72, 0.88);
        e.renew = e.expires;
        if (e.what && e.expires != time_point::max())
            e.renew =
                e.stored + nanoseconds(static_cast<std::int64_t>(static_cast<double>(ttl.count()) * part(jitter_)));
    }

    void request(const std::string& key, const std::function<void(finish)>& run, told done, patience how, bool ahead);
    void store(const std::string& key, const std::shared_ptr<flight>& from, const result<value_ptr>& what) {
        std::lock_guard lock(mutex_);
        auto current = flights_.find(key);
        if (current == flights_.end() || current->second != from) return;  // invalidated meanwhile
        flights_.erase(current);
        nanoseconds backoff{0};
        if (auto old = index_.find(key); old != index_.end()) backoff = old->second->backoff;
        backoff = what ? nanoseconds(0) : backoff.count() ? std::min(backoff * 2, k_last_backoff) : k_first_backoff;
        entry e{key, what, clock_.now(), {}, backoff, {}, {}};
        set_times(e, what ? ttl_of(**what) : backoff);
        put(std::move(e));
    }

    const clock& clock_;
    nanoseconds ttl_;
    const lifetime good_for_;
    const std::size_t max_entries_;
    mutable std::mutex mutex_;
    std::list<entry> order_;  // most recently used first
    std::unordered_map<std::string, typename std::list<entry>::iterator> index_;
    std::unordered_map<std::string, std::shared_ptr<flight>> flights_;
    std::minstd_rand jitter_{std::random_device{}()};
    cache_stats stats_;
};

template <class Value>
ttl_cache<Value>::ttl_cache(const clock& clk, nanoseconds ttl, std::size_t max_entries)
    : impl_(std::make_shared<impl>(clk, ttl, nullptr, max_entries)) {}

template <class Value>
ttl_cache<Value>::ttl_cache(const clock& clk, lifetime good_for, std::size_t max_entries)
    : impl_(std::make_shared<impl>(clk, k_for_ever, std::move(good_for), max_entries)) {}

template <class Value>
void ttl_cache<Value>::get(const std::string& key, const std::function<void(finish)>& run, reply done, bool fresh) {
    impl_->request(
        key, run,
        [done = std::move(done)](const result<known>& answer) {
            if (answer)
                done(answer->value);
            else
                done(answer.error());
        },
        fresh ? patience::fresh : patience::current, false);
}

template <class Value>
void ttl_cache<Value>::ask(const std::string& key, const std::function<void(finish)>& run, told done, patience how) {
    impl_->request(key, run, std::move(done), how, true);
}

template <class Value>
void ttl_cache<Value>::impl::request(const std::string& key, const std::function<void(finish)>& run, told done,
                                     patience how, bool ahead) {
    std::shared_ptr<flight> started;
    problem crowded = make_problem(errc::busy, "too many callers wait for this answer");
    crowded.retry_after_ms = 1000;
    result<known> ready = std::move(crowded);
    {
        std::lock_guard lock(mutex_);
        const auto now = clock_.now();
        auto at = index_.find(key);
        const auto running = flights_.find(key);
        const bool there = how != patience::fresh && at != index_.end();
        const bool good = there && now < at->second->expires;
        const bool stale = there && !good && how == patience::none && at->second->what && now < at->second->gone;
        const bool room = flights_.size() < k_max_waiting;
        if (good || stale) {
            order_.splice(order_.begin(), order_, at->second);
            ready = answer(at->second->what, stale);
            ++(!ready ? stats_.negative : stale ? stats_.stale : stats_.hits);
            if (ahead && ready && now >= at->second->renew && running == flights_.end() && room) {
                started = std::make_shared<flight>();
                ++stats_.renewals;
            }
        } else if (running != flights_.end()) {
            std::lock_guard waiting(running->second->mutex);
            if (running->second->waiters.size() < k_max_waiting) {
                running->second->waiters.push_back(std::move(done));
                ++stats_.shared;
                return;
            }
        } else if (room) {
            started = std::make_shared<flight>();
            started->waiters.push_back(std::exchange(done, nullptr));
            ++stats_.misses;
        }
        if (started) flights_[key] = started;
    }
    if (done) done(std::move(ready));
    if (!started) return;

    auto leader = std::make_shared<pilot>();
    leader->cache = this->weak_from_this();
    leader->key = key;
    leader->mine = std::move(started);
    try {
        run([leader](result<value_ptr> what) { leader->complete(std::move(what)); });
    } catch (const std::exception& e) {
        leader->complete(make_problem(errc::internal, e.what()));
    }
}

template <class Value>
void ttl_cache<Value>::suggest(const std::string& key, value_ptr value) {
    if (!value) return;
    std::lock_guard lock(impl_->mutex_);
    if (impl_->index_.count(key)) return;
    typename impl::entry e{key, value, impl_->clock_.now(), {}, nanoseconds(0), {}, {}};
    impl_->set_times(e, impl_->ttl_of(*value));
    e.gone = e.expires;  // as long as one time of being good
    e.expires = e.renew = e.stored;
    impl_->put(std::move(e));
}

template <class Value>
void ttl_cache<Value>::expire(const std::string& key) {
    std::lock_guard lock(impl_->mutex_);
    impl_->flights_.erase(key);
    auto at = impl_->index_.find(key);
    if (at == impl_->index_.end()) return;
    auto& e = *at->second;
    const auto now = impl_->clock_.now();
    if (now >= e.expires) return;
    e.gone = e.what ? impl::later(now, impl_->ttl_of(**e.what)) : now;
    e.expires = e.renew = now;
}

template <class Value>
typename ttl_cache<Value>::value_ptr ttl_cache<Value>::look(const std::string& key) const {
    std::lock_guard lock(impl_->mutex_);
    auto at = impl_->index_.find(key);
    return at != impl_->index_.end() && at->second->what ? *at->second->what : nullptr;
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
    s.in_flight = impl_->flights_.size();
    return s;
}

template <class Value>
cache_census ttl_cache<Value>::census() const {
    cache_census out;
    std::lock_guard lock(impl_->mutex_);
    const auto now = impl_->clock_.now();
    for (const auto& e : impl_->order_) ++(!e.what ? out.negative : now < e.expires ? out.valid : out.expired);
    return out;
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
