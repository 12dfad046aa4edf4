// What the seeds of one policy in one regime say together.
#pragma once

#include "bench/sim/cells.hpp"

#include <map>

namespace sigrun::sim {

struct spread {
    double mean = 0, low = 0, high = 0;
    std::size_t n = 0;
    void add(double v) noexcept {
        low = n ? std::min(low, v) : v;
        high = n ? std::max(high, v) : v;
        mean += (v - mean) / static_cast<double>(++n);
    }
};

struct row {
    spread p50, p99, p999;  // ms
    spread to_oracle;       // p99, seed by seed
    double avoided = 0;     // of the attempts that a blind choice would have lost in sinkholes
    double failures_to_detect = 0;
    double gave_up = 0;  // share of jobs
    /// Excess share that is left of the runners that turned slow, per mean job time since; 1 = all of it.
    std::array<double, k_slowed_bins> excess{};
    /// Mean of the ten job times from there on: a single one has few placements.
    double excess_from(std::size_t bin) const noexcept;
    /// The first with at most a tenth of it; k_slowed_bins if there is none.
    std::size_t tenth_reached() const noexcept;
};

class summary {
public:
    explicit summary(const std::vector<cell>& cells);
    /// Null if it was not run.
    const row* find(std::string_view regime, std::string_view policy) const;
    const std::vector<const regime*>& regimes() const noexcept { return regimes_; }
    const std::vector<const policy_kind*>& policies() const noexcept { return policies_; }

private:
    std::map<std::pair<std::string, std::string>, row, std::less<>> rows_;
    std::vector<const regime*> regimes_;
    std::vector<const policy_kind*> policies_;
};

/// To standard output: a table per regime; everything as JSON; whether the goals are held.
void print_table(const summary& all);
void print_json(const std::vector<cell>& cells);
void print_verdicts(const summary& all);

}  // namespace sigrun::sim
