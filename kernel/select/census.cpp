// How many of the runners that match can take jobs, and how much of their places is taken. A look at all of them: never in a pick.
#include "kernel/select/selector_impl.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::int64_t k_load_age_ns = 100'000'000;
constexpr std::int64_t k_still_asked_ns = 10'000'000'000;

}  // namespace

selector::impl::census selector::impl::count(const predicate& pred) const noexcept {
    census out;
    for (page_walk walk(pred, n_pages.load(std::memory_order_acquire)); walk.more();) {
        const std::uint32_t page = walk.next();
        const std::uint32_t places = index.page(page).places;
        for (std::uint64_t rest = pred.slots(page) & index.live(page).load(); rest; rest &= rest - 1) {
            const std::uint64_t w = index.hot(page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest))).load();
            ++out.runners;
            if (!(w & hot::k_open) || (w & hot::k_out)) continue;
            ++out.able;
            out.places += places;
            out.taken += std::min(hot::in_flight(w), places);
        }
    }
    return out;
}

double selector::impl::load(predicate& pred) const noexcept {
    const std::int64_t now = now_ns();
    const std::int64_t looked = pred.load.looked_ns.load();
    if (looked && now - looked < k_load_age_ns) return static_cast<double>(pred.load.share.load());
    const census all = count(pred);
    const double share = all.places ? static_cast<double>(all.taken) / static_cast<double>(all.places) : 1;
    pred.load.share.store(static_cast<float>(share));
    pred.load.looked_ns.store(now);
    return share;
}

/// For a pick that found nothing. It says that it wants to know, and ticks find out.
bool selector::impl::panics(predicate& pred) noexcept {
    if (!n_ejected.load(std::memory_order_relaxed)) return false;
    pred.panic.asked_ns.store(now_ns(), std::memory_order_relaxed);
    return pred.panic.panics.load(std::memory_order_relaxed);
}

void selector::impl::look_for_panic(std::int64_t now) {
    std::vector<std::shared_ptr<predicate>> asked;
    if (n_ejected.load(std::memory_order_relaxed)) {
        const std::lock_guard lock(mutex);
        predicates.for_each([&](predicate& p) {
            const std::int64_t when = p.panic.asked_ns.load(std::memory_order_relaxed);
            if (when && now - when < k_still_asked_ns)
                asked.push_back(p.shared_from_this());
            else
                p.panic.panics.store(false, std::memory_order_relaxed);
        });
    }
    for (const auto& p : asked) {
        const census all = count(*p);
        p->panic.panics.store(static_cast<double>(all.able) < panic_below.load() * static_cast<double>(all.runners),
                              std::memory_order_relaxed);
    }
}

}  // namespace sigrun
