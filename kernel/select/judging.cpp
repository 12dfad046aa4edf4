// Requirements against runners: once per kind of page, and per slot only where runners of a kind differ in
// what is asked.
#include "kernel/base/clock.hpp"
#include "kernel/select/selector_impl.hpp"

namespace sigrun {

match_subject selector::impl::subject(std::uint32_t slot) const {
    const runner_profile& p = profiles.at(slot);
    return {p.facts.get(), p.labels.get()};
}

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
    const truth t = p.what().matches(subject(slot), scope);
    p.lower_expiry(scope.expires_ns);
    const std::uint32_t page = page_of(slot);
    const bool had = p.has_page(page);
    p.set_slot(slot, t == truth::yes);
    return p.has_page(page) != had;
}

predicate_ptr selector::impl::intern(const requirement_ptr& r) {
    auto [p, made] = predicates.intern(r);
    if (!made) return p;
    cohorts.for_each([&](const cohort& c) {
        const auto kind = judge_kind(*p, c);
        if (kind == predicate::page_kind::none) return;  // as all pages of a new one are
        for (std::uint32_t page : c.pages) p->set_page(page, kind);
    });
    refresh(*p, false);  // nobody has asked it yet
    return p;
}

/// Judges every slot again whose answer may depend on the time.
void selector::impl::refresh(predicate& p, bool known) {
    p.set_expiry(0);
    if (!p.any_mixed()) return;
    for (std::uint32_t page : cohorts.pages_in_use()) {
        if (!p.is_mixed(page)) continue;
        for (std::uint64_t rest = index.live(page).load(); rest; rest &= rest - 1)
            if (judge_slot(p, page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest))) && known)
                answers[page].fetch_add(1);
    }
}

}  // namespace sigrun
