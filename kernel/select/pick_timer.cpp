#include "kernel/select/pick_timer.hpp"

#include <algorithm>
#include <numeric>

namespace sigrun {

std::uint64_t pick_time_counts::total() const noexcept {
    return std::accumulate(in.begin(), in.end(), std::uint64_t{0});
}

double pick_time_counts::quantile_ns(double share) const noexcept {
    const std::uint64_t all = total();
    if (!all) return 0;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        below += in[i];
        if (static_cast<double>(below) >= share * static_cast<double>(all)) return bounds[i];
    }
    return -1;
}

bool pick_timer::times_this_one() noexcept {
    constexpr std::uint32_t k_of = 64;
    static thread_local std::uint32_t picks = 0;
    return !(++picks % k_of);
}

void pick_timer::record(std::int64_t ns) noexcept {
    const auto bucket = std::lower_bound(pick_time_counts::bounds.begin(), pick_time_counts::bounds.end(), ns) -
                        pick_time_counts::bounds.begin();
    in_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0)), std::memory_order_relaxed);
}

pick_time_counts pick_timer::counts() const noexcept {
    pick_time_counts out;
    for (std::size_t i = 0; i < in_.size(); ++i) out.in[i] = in_[i].load(std::memory_order_relaxed);
    out.sum_ns = sum_ns_.load(std::memory_order_relaxed);
    return out;
}

}  // namespace sigrun
