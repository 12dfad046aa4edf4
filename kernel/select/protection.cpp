// Runners that fail more than others are left out for a while, those that come (back) get their share slowly, and when
// most runners are out, none is (selection.md section 6).
#include "kernel/select/selector_impl.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::int64_t k_longest = 10;        // times the first ejection
constexpr std::uint32_t k_survey_pages = 64;  // at least, per tick; larger fleets are looked through in eight

}  // namespace

void selector::impl::protect(const protection& now) {
    cohorts.set_usual_share(now.max_runner_load, now.reserve_for_urgent);
    slow_start_ns = now.slow_start.count();
    failures_in_a_row = now.failures_in_a_row;
    panic_below = now.panic_below;
    std::lock_guard lock(protecting);
    rules = now;
}

void selector::impl::begin_slowly(slot_ref s) noexcept {
    if (slow_start_ns.load() <= 0) return;
    const std::int64_t now = now_ns();
    std::lock_guard lock(protecting);
    beginners.push_back(s);
    count_beginners();
    runner_estimate& e = index.estimate(s.slot);
    const estimate_lock holding(e);
    e.began_ns = now;
    set_cost(s, e.cost(fleet, index.page(page_of(s.slot)).weight, now, slow_start()));
}

/// After a restart of the host all runners come at once; slowed down together they could not be told apart.
void selector::impl::count_beginners() noexcept { all_begin = beginners.size() * 2 > n_runners.load(); }

void selector::impl::eject(slot_ref s, ejection_cause why) noexcept {
    std::lock_guard lock(protecting);
    const auto most =
        std::max<std::size_t>(1, static_cast<std::size_t>(rules.max_ejected * static_cast<double>(n_runners.load())));
    // The only runner is better than none.
    if (!rules.eject || ejected.size() >= most || n_runners.load() < 2) return;
    const std::uint64_t w = index.hot(s.slot).load();
    if ((w & hot::k_out) || !change_flags(s, hot::k_out, hot::k_trial)) return;
    ejection told{.slot = s, .out = true, .why = why};
    {
        runner_estimate& e = index.estimate(s.slot);
        const estimate_lock holding(e);
        if (e.ejections < k_longest) ++e.ejections;
        e.failures_in_a_row = 0;
        told.lasts = rules.ejection_time * e.ejections;
        told.success = fleet_survey::attempts(e) > 0 ? fleet_survey::success_rate(e) : 0;
        e.out_until_ns = now_ns() + told.lasts.count();
        told.others = fleet.success.load(std::memory_order_relaxed);
        ejected.push_back({s, e.out_until_ns, told});
    }
    n_ejected.store(ejected.size());
    untold.push_back(told);
}

void selector::impl::look_at_ejected(std::int64_t now, const protection& by) {
    std::vector<slot_ref> back;
    {
        std::lock_guard lock(protecting);
        std::erase_if(ejected, [&](const absentee& a) {
            const slot_ref s = resolve(a.where);
            if (page_of(s.slot) >= index.max_pages()) return true;  // it is gone
            if (now < a.until_ns && by.eject) return false;
            if (change_flags(s, hot::k_trial, hot::k_out)) {
                back.push_back(s);
                untold.push_back({.slot = s, .out = false});
            }
            return true;
        });
        n_ejected.store(ejected.size());
    }
    for (const slot_ref s : back) begin_slowly(s);
}

void selector::impl::look_at_beginners(std::int64_t now) {
    std::lock_guard lock(protecting);
    count_beginners();
    const std::int64_t window = slow_start_ns.load();
    std::erase_if(beginners, [&](slot_ref& s) {
        s = resolve(s);
        if (page_of(s.slot) >= index.max_pages()) return true;
        runner_estimate& e = index.estimate(s.slot);
        const estimate_lock holding(e);
        const bool over = now - e.began_ns >= window;
        if (over) e.began_ns = 0;
        set_cost(s, e.cost(fleet, index.page(page_of(s.slot)).weight, now, slow_start()));
        return over;
    });
    count_beginners();
}

void selector::impl::look_at_some(std::int64_t now, const protection& by) {
    const std::uint32_t pages = n_pages.load(std::memory_order_acquire);
    const std::uint32_t end = std::min(pages, survey.page + std::max(k_survey_pages, pages / 8));
    for (; survey.page < end; ++survey.page)
        for (std::uint64_t rest = index.live(survey.page).load(); rest; rest &= rest - 1) {
            const std::uint32_t slot = survey.page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
            const std::uint64_t w = index.hot(slot).load();
            const slot_ref s{slot, hot::generation(w)};
            bool stands_out = false;
            {
                runner_estimate& e = index.estimate(slot);
                const estimate_lock holding(e);
                if (e.blank()) continue;
                e.fade(now);
                survey.add(e, fleet);
                stands_out = survey.stands_out(e, fleet);
                if (!(w & hot::k_out) && e.ejections && now - e.out_until_ns > k_longest * by.ejection_time.count())
                    e.ejections = 0;
                set_cost(s, e.cost(fleet, index.page(page_of(slot)).weight, now, slow_start()));
            }
            if (stands_out && !(w & hot::k_out)) eject(s, ejection_cause::success_rate);
        }
    if (survey.page < pages) return;
    survey.conclude(fleet);
    survey.page = 0;
}

std::vector<ejection> selector::impl::tick() {
    const std::int64_t now = now_ns();
    protection by;
    {
        std::lock_guard lock(protecting);
        by = rules;
    }
    look_at_ejected(now, by);
    look_at_beginners(now);
    look_at_some(now, by);
    look_for_panic(now);
    repairs();
    // In parts, so that whoever changes a runner does not wait for a whole fleet.
    constexpr std::size_t k_aged = 64;
    for (bool all = false; !all && ages.due(wall_ns());) {
        const std::lock_guard lock(mutex);
        all = judge_aged(k_aged);
    }
    if (choosing.load(std::memory_order_relaxed)) choose_policies(now);
    std::lock_guard lock(protecting);
    return std::exchange(untold, {});
}

}  // namespace sigrun
