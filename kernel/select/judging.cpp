// Requirements against runners: once per kind of page, and per slot only where runners of a kind differ in
// what is asked.
#include "kernel/select/selector_impl.hpp"

#include <algorithm>
#include <tuple>

namespace sigrun {

predicate::page_kind selector::impl::judge_kind(const predicate& p, const cohort& c) {
    match_scope scope;
    scope.class_only = true;
    scope.open_labels = &c.open_labels;
    const truth t = p.what().matches({c.facts.get(), c.labels.get()}, scope);
    // Unknown for lack of a fact that no runner of the kind has: nothing to look at slot by slot.
    return t == truth::yes                       ? predicate::page_kind::all
           : t == truth::unknown && scope.hidden ? predicate::page_kind::mixed
                                                 : predicate::page_kind::none;
}

void selector::impl::judge_page(predicate& p, std::uint32_t page) {
    p.set_page(page, judge_kind(p, cohorts.of_page(page)));
}

/// True if the page's bit changed.
bool selector::impl::judge_slot(predicate& p, std::uint32_t slot) {
    match_scope scope;
    const truth t = p.what().matches(subjects.at(slot).view(), scope);
    if (scope.expires_ns) {
        p.set_ages();
        ages.expect(slot, scope.expires_ns);
    }
    const std::uint32_t page = page_of(slot);
    const bool had = p.has_page(page);
    p.set_slot(slot, t == truth::yes);
    return p.has_page(page) != had;
}

predicate_ptr selector::impl::intern(const requirement_ptr& r) {
    struct judging {
        predicate_ptr of;
        bool begun = false;
        ~judging() {
            if (begun) of->end_judging();
        }
    } it;
    {
        const std::lock_guard lock(mutex);
        std::tie(it.of, it.begun) = predicates.intern(r);
        if (it.begun)
            cohorts.judge(it.of->what(), [&](const cohort& c, bool mixed) {
                const auto kind = mixed ? predicate::page_kind::mixed : predicate::page_kind::all;
                for (const std::uint32_t page : c.pages) it.of->set_page(page, kind);
            });
    }
    if (!it.begun)
        it.of->wait_until_judged();
    else if (it.of->any_mixed())
        judge_slots(*it.of);
    return it.of;
}

/// Of a new predicate: every slot of the pages that are mixed for it. Some pages at a time; who comes meanwhile is judged as
/// with every other predicate.
void selector::impl::judge_slots(predicate& p) {
    constexpr std::uint32_t k_pages = 8;
    for (std::uint32_t begin = 0, n = ~0u; begin < n; begin += k_pages) {
        const std::lock_guard lock(mutex);
        n = cohorts.n_pages();
        for (std::uint32_t page = begin; page < std::min(begin + k_pages, n); ++page) {
            if (!p.is_mixed(page)) continue;
            for (std::uint64_t rest = index.live(page).load(); rest; rest &= rest - 1)
                judge_slot(p, page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest)));
        }
    }
}

/// Judges at most so many slots anew whose facts have grown too old for some answer. False: there may be more.
bool selector::impl::judge_aged(std::size_t most) {
    const std::int64_t now = wall_ns();
    for (; most; --most) {
        const auto slot = ages.take(now);
        if (!slot) return true;
        const std::uint32_t page = page_of(*slot);
        if (index.live(page).load() & bit_of(*slot))
            predicates.for_each([&](predicate& p) {
                if (p.ages() && p.is_mixed(page) && judge_slot(p, *slot)) answers[page].fetch_add(1);
            });
        ages.judged();
    }
    return !ages.due(now);
}

/// Along with each change of a runner, and there are many: so the sweeps of the tick find little, and picks next to nothing.
void selector::impl::judge_a_few_aged() {
    constexpr std::size_t k_few = 2;
    if (ages.any() && ages.due(wall_ns())) judge_aged(k_few);
}

/// [any] The answer about this runner, which may be of a time when it was younger, as it is now. If it is no longer yes, that
/// is noted unless the writer is at work.
bool selector::impl::still_matches(predicate& p, std::uint32_t slot) noexcept {
    const runner_subject runner = subjects.copy(slot);
    if (p.what().matches(runner.view()) == truth::yes) return true;
    if (std::unique_lock lock(mutex, std::try_to_lock);
        lock && p.is_mixed(page_of(slot)) && (index.live(page_of(slot)).load() & bit_of(slot)) && judge_slot(p, slot))
        answers[page_of(slot)].fetch_add(1);
    return false;
}

}  // namespace sigrun
