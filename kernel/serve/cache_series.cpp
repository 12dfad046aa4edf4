#include "kernel/serve/cache_series.hpp"

#include <utility>

namespace sigrun {

void cache_series::tell(metrics& numbers, const std::string& cache, const cache_stats& counted,
                        const cache_census& now) {
    const std::pair<const char*, std::uint64_t> answers[] = {{"hit", counted.hits},
                                                             {"miss", counted.misses},
                                                             {"shared", counted.shared},
                                                             {"stale", counted.stale},
                                                             {"negative", counted.negative}};
    const std::pair<const char*, std::uint64_t> entries[] = {
        {"valid", now.valid}, {"expired", now.expired}, {"negative", now.negative}};
    std::lock_guard lock(mutex_);  // two who ask at once must not both add what is new
    const auto count = [&](const char* name, const char* help, const metric_labels& labels, std::uint64_t value) {
        auto series = numbers.get_counter(name, help, labels);
        auto key = labels;
        key[""] = name;
        auto& told = told_[key];
        if (value <= told) return;
        series.add(static_cast<double>(value - told));
        told = value;
    };
    for (const auto& [how, n] : answers)
        count("sigrun_fact_cache_answers_total",
              "How who asked was answered: from what is good, after a run, by a run that others had started, with what "
              "is "
              "past its time, with a failure that is remembered.",
              {{"cache", cache}, {"how", how}}, n);
    count("sigrun_fact_cache_renewals_total",
          "Runs that nobody waited for: ahead of the end of an answer, or after it.", {{"cache", cache}},
          counted.renewals);
    count("sigrun_fact_cache_evicted_total", "Answers that gave way to others.", {{"cache", cache}}, counted.evicted);
    for (const auto& [state, n] : entries)
        numbers.get_gauge("sigrun_fact_cache_entries", "Answers that are known.", {{"cache", cache}, {"state", state}})
            .set(static_cast<double>(n));
    numbers.get_gauge("sigrun_fact_cache_in_flight", "Runs under way.", {{"cache", cache}})
        .set(static_cast<double>(counted.in_flight));
}

}  // namespace sigrun
