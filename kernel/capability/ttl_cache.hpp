// A bounded cache with age limit and single-flight: many askers, one run. Used for endpoint detection and
// local facts.
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
    std::uint64_t evicted = 0;
    std::uint64_t entries = 0;
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
    ttl_cache(const clock& clk, nanoseconds ttl, std::size_t max_entries);
    /// Answers from the cache, or joins the run of this key, or starts `run` (which must call finish exactly
    /// once).
    void get(const std::string& key, const std::function<void(finish)>& run, reply done, bool fresh = false);
    /// Who waits for a run under way is answered by it, nobody else.
    void invalidate(const std::string& key);
    void clear();  // invalidate() for every key
    /// For values that come from now on.
    void set_ttl(nanoseconds ttl);
    cache_stats stats() const;
    /// Age and presence of an entry, without counting as an access.
    answer_info peek(const std::string& key) const;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace sigrun

#include "kernel/capability/ttl_cache.ipp"
