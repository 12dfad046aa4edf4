// What selections take, as a histogram of the process. [any]
#pragma once

#include "kernel/metrics/metrics.hpp"
#include "kernel/select/pick_timer.hpp"

#include <mutex>

namespace sigrun {

class selection_series {
public:
    /// Brings sigrun_selection_seconds to what is counted now.
    void tell(metrics& numbers, const pick_time_counts& now);

private:
    std::mutex mutex_;
    pick_time_counts told_;
};

}  // namespace sigrun
