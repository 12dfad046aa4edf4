// A bounded cache with age limit and single-flight: many askers, one run. Used for endpoint detection and for what each probe
// says.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sigrun {

struct cache_stats {
    std::uint64_t hits = 0;      // answered from an unexpired entry without waiting
    std::uint64_t misses = 0;    // started a run
    std::uint64_t shared = 0;    // waited for a run somebody else had started
    std::uint64_t negative = 0;  // answered from a remembered failure
    std::uint64_t stale = 0;     // answered from an entry past its time, at once
    std::uint64_t renewals = 0;  // runs that began without anybody waiting: ahead of an entry's end, or after it
    std::uint64_t evicted = 0;
    std::uint64_t entries = 0;
    std::uint64_t in_flight = 0;

    std::uint64_t asked() const noexcept { return hits + misses + shared + negative + stale; }
    /// Hits of all that was asked; 0 before anything was.
    double ratio() const noexcept { return asked() ? static_cast<double>(hits) / static_cast<double>(asked()) : 0; }
};
/// How many entries are good and how many are past their time at the moment; failures apart.
struct cache_census {
    std::uint64_t valid = 0, expired = 0, negative = 0;
};

/// Values are immutable and shared. Failures are remembered for 5 s, doubling to 60 s. [any]; callbacks run
/// on the thread that finished the run, or inline on a hit, never under the cache's lock.
template <class Value>
class ttl_cache {
public:
    using value_ptr = std::shared_ptr<const Value>;
    using reply = std::function<void(result<value_ptr>)>;
    using finish = std::function<void(result<value_ptr>)>;
    struct answer_info {
        bool cached = false;
        nanoseconds age{0};
    };
    struct known {
        value_ptr value;
        bool stale = false;  // its time is over
    };
    using told = std::function<void(result<known>)>;
    /// How long a value is good; k_for_ever: until it is expired or replaced.
    using lifetime = std::function<nanoseconds(const Value&)>;
    static constexpr nanoseconds k_for_ever = nanoseconds::max();
    enum class patience {
        none,     // what is past its time answers at once, as stale, for as long again as it was good
        current,  // only what is good answers; else waits for a run
        fresh     // waits for a run in any case
    };

    ttl_cache(const clock& clk, nanoseconds ttl, std::size_t max_entries);
    ttl_cache(const clock& clk, lifetime good_for, std::size_t max_entries);
    /// Answers from the cache, or joins the run of this key, or starts `run` (which must call finish exactly
    /// once).
    void get(const std::string& key, const std::function<void(finish)>& run, reply done, bool fresh = false);
    /// As get, and renews ahead: the first to ask once about 0.8 of an entry's time is over (10 % more or less, so that what
    /// was learnt at once is not renewed at once) is answered from it, and starts a run that nobody waits for. So does who
    /// is answered with something stale.
    void ask(const std::string& key, const std::function<void(finish)>& run, told done, patience how);
    /// What is known from elsewhere: stale until a run has confirmed it. No entry is replaced.
    void suggest(const std::string& key, value_ptr value);
    /// The entry is past its time from now on, and no run that has begun before answers who asks from now on.
    void expire(const std::string& key);
    /// The value of an entry, good or not, without counting as an access; null if there is none.
    value_ptr look(const std::string& key) const;
    /// Who waits for a run under way is answered by it, nobody else.
    void invalidate(const std::string& key);
    void clear();  // invalidate() for every key
    /// For values that come from now on.
    void set_ttl(nanoseconds ttl);
    cache_stats stats() const;
    cache_census census() const;  // looks at every entry
    /// Age and presence of an entry, without counting as an access.
    answer_info peek(const std::string& key) const;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace sigrun

#include "kernel/capability/ttl_cache.ipp"
