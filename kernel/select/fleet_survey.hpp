// A look at every runner of an index, some at a time, that ends with what is compared between them: how different their
// speeds are, and below which success rate one of them stands out.
#pragma once

#include "kernel/select/estimate.hpp"

#include <cstdint>

namespace sigrun {

class fleet_survey {
public:
    /// Runners with fewer attempts are not compared, nor are they if there are few of them.
    static constexpr double k_attempts = 20;
    static constexpr std::uint32_t k_runners = 5;
    static constexpr double k_deviations = 1.9, k_errors = 3;

    /// Where the next look begins.
    std::uint32_t page = 0;

    void add(const runner_estimate& e, const fleet_estimate& all) noexcept;
    /// All runners have been looked at: from now on the results are of this round.
    void conclude(fleet_estimate& all) noexcept;
    /// Its success rate is worse than those of others, by more than they differ, and by more than chance explains.
    bool stands_out(const runner_estimate& e, const fleet_estimate& all) const noexcept;
    static double attempts(const runner_estimate& e) noexcept { return static_cast<double>(e.successes + e.failures); }
    static double success_rate(const runner_estimate& e) noexcept {
        return static_cast<double>(e.successes) / attempts(e);
    }

private:
    struct moments {
        double n = 0, sum = 0, squares = 0;
        void add(double x) noexcept;
        double mean() const noexcept { return n > 0 ? sum / n : 0; }
        double variance() const noexcept;
    };
    moments success_, speed_;
    double noise_ = 0;  // sum over the runners in speed_
    double outlier_below_ = 0;
};

}  // namespace sigrun
