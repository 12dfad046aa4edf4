// The rows of the goals table that are about speed and memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sigrun::bench {

struct goal_options {
    std::vector<std::uint32_t> runners{10'000, 100'000, 1'000'000};
    std::vector<std::string> balancers;  // empty: all that are built
    double seconds = 0.3;                // per hot figure
    int cold_samples = 400;
};

/// One line: what, per number of runners or alone; held or not where there is a goal.
void report(const std::string& what, const std::vector<double>& figures, const std::vector<double>& goals,
            const char* unit, bool more_is_better = false);

void report_picks(const goal_options& o);      // goals 1, 2, 3, 6, 20
void report_baselines(const goal_options& o);  // re-implementations
void report_changes(const goal_options& o);    // goals 4, 8
void report_memory(const goal_options& o);     // goal 7
void report_sharing(const goal_options& o);    // goal 6: threads and updates

}  // namespace sigrun::bench
