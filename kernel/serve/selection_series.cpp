#include "kernel/serve/selection_series.hpp"

#include <vector>

namespace sigrun {

void selection_series::tell(metrics& numbers, const pick_time_counts& now) {
    std::lock_guard lock(mutex_);  // two who ask at once must not both add what is new
    std::vector<double> bounds, fresh;
    for (const auto bound : pick_time_counts::bounds) bounds.push_back(bound * 1e-9);
    for (std::size_t i = 0; i < now.in.size(); ++i) fresh.push_back(static_cast<double>(now.in[i] - told_.in[i]));
    numbers
        .get_histogram("sigrun_selection_seconds", "From a requirement to a claimed place, of one selection in 64",
                       bounds)
        .add(fresh, static_cast<double>(now.sum_ns - told_.sum_ns) * 1e-9);
    told_ = now;
}

}  // namespace sigrun
