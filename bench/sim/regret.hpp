// Every policy of the product against the fixed one that was best in hindsight (goal 17).
#pragma once

#include "bench/sim/summary.hpp"

namespace sigrun::sim {

constexpr const char* k_adaptive = "adaptive";  // the policy that chooses among the fixed ones

/// Of the regimes of the suite that were run. Ratios of p99, each the mean of the seeds; 1 = as good as the best.
class regret {
public:
    explicit regret(const summary& all);

    struct line {
        const regime* where;
        const policy_kind* best;  // that stays the same all the time
        double best_p99;          // ms
        std::map<std::string, double> ratio;
    };
    struct worst_case {
        double ratio = 0;
        const regime* where = nullptr;
        const policy_kind* best = nullptr;
    };

    const std::vector<line>& lines() const noexcept { return lines_; }
    /// Those of the product that were run in every regime.
    const std::vector<const policy_kind*>& policies() const noexcept { return policies_; }
    /// Geometric mean over the regimes, against the best of each.
    double mean_of(const std::string& policy) const { return mean_.at(policy); }
    /// The one policy that is best over all regimes; null if none was run in all.
    const policy_kind* best_of_suite() const noexcept { return best_; }
    /// Against that one; 0 if it was not run everywhere.
    double of_suite(const std::string& policy) const;
    worst_case worst(const std::string& policy) const;

private:
    std::vector<line> lines_;
    std::vector<const policy_kind*> policies_;
    std::map<std::string, double> mean_;
    const policy_kind* best_ = nullptr;
};

void print_regret(const summary& all);

}  // namespace sigrun::sim
