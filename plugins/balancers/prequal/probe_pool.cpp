#include "probe_pool.hpp"

#include <algorithm>

namespace sigrun::prequal {

void probe_pool::add(std::uint32_t slot, std::uint64_t now_ns, std::uint32_t uses) noexcept {
    std::uint32_t at = 0;
    for (; at < n_ && probes_[at].slot != slot; ++at) {
    }
    if (at == n_) {
        if (n_ < k_size)
            ++n_;
        else
            at = static_cast<std::uint32_t>(
                std::min_element(probes_.begin(), probes_.end(),
                                 [](const probe& a, const probe& b) { return a.born_ns < b.born_ns; }) -
                probes_.begin());
    }
    probes_[at] = {slot, uses, now_ns};
}

void probe_pool::drop_old(std::uint64_t now_ns) noexcept {
    for (std::uint32_t i = n_; i--;)
        if (now_ns - probes_[i].born_ns > k_age_ns) drop(i);
}

void probe_pool::use(std::uint32_t slot) noexcept {
    for (std::uint32_t i = 0; i < n_; ++i)
        if (probes_[i].slot == slot) {
            if (--probes_[i].uses_left == 0) drop(i);
            return;
        }
}

void probe_pool::drop_one() noexcept {
    if (!n_) return;
    oldest_next_ = !oldest_next_;
    std::uint32_t at = 0;
    for (std::uint32_t i = 1; i < n_; ++i)
        if (oldest_next_ ? probes_[i].born_ns < probes_[at].born_ns : probes_[at].now.better_than(probes_[i].now))
            at = i;
    drop(at);
}

void load_quantile::see(std::uint32_t load) noexcept {
    loads_[seen_++ % k_window] = static_cast<std::uint16_t>(std::min(load, 0xffffu));
    if (seen_ % 16) return;
    const std::uint32_t n = std::min(seen_, k_window), rank = rank_ * (n - 1) / (k_window - 1);
    std::array<std::uint16_t, k_window> sorted = loads_;
    std::nth_element(sorted.begin(), sorted.begin() + rank, sorted.begin() + n);
    threshold_ = sorted[rank];
}

}  // namespace sigrun::prequal
