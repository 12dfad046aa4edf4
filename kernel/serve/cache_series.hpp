// What the caches of facts count themselves, as series of the process. [any]
#pragma once

#include "kernel/capability/ttl_cache.hpp"
#include "kernel/metrics/metrics.hpp"

#include <map>
#include <mutex>
#include <string>

namespace sigrun {

class cache_series {
public:
    /// Brings the series with label cache="`cache`" to what it counts now.
    void tell(metrics& numbers, const std::string& cache, const cache_stats& counted, const cache_census& now);

private:
    std::mutex mutex_;
    std::map<metric_labels, std::uint64_t> told_;
};

}  // namespace sigrun
