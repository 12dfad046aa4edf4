// Runners come, change and go. The order matters to lock-free pickers: a slot is open only while its page
// facts and all predicates' answers are in place, and its generation changes before any of them does.
#include "kernel/select/selector_impl.hpp"

#include <algorithm>
#include <bit>

namespace sigrun {
namespace {

/// A page has at least one taken slot, so runners bound pages; a large fleet of all different machines would
/// need too much address space, and is told so.
std::uint32_t page_limit(std::uint32_t runners) noexcept {
    const std::uint32_t single = std::min(runners, 65'536u);
    return (single + single / 8 + runners / 32 + 64 + 63) & ~63u;
}

/// With the same labels, and the same as far as the kind of a runner is concerned.
bool same_kind(const runner_profile& now, const runner_subject& before, page_facts page) {
    return now.facts && before.facts && now.facts->cohort() == before.facts->cohort() && now.places == page.places &&
           now.protocols == page.protocols && now.weight == page.weight;
}

problem wrong_slot() { return make_problem(errc::not_found, "there is no runner in this slot"); }

}  // namespace

protocol_pages::protocol_pages(std::uint32_t page_words) {
    for (auto& p : pages_) p = std::vector<atomic_word>(page_words);
}
void protocol_pages::set(std::uint32_t page, protocol_mask protocols, bool present) noexcept {
    for (std::uint32_t i = 0; i < pages_.size(); ++i)
        if (present && (protocols >> i & 1))
            pages_[i][page >> 6].fetch_or(bit_of(page));
        else
            pages_[i][page >> 6].fetch_and(~bit_of(page));
}
std::uint64_t protocol_pages::word(std::uint32_t w, protocol_mask allowed) const noexcept {
    std::uint64_t out = 0;
    for (std::uint32_t rest = allowed; rest; rest &= rest - 1)
        out |= pages_[static_cast<std::size_t>(std::countr_zero(rest))][w].load(std::memory_order_relaxed);
    return out;
}

selector::impl::impl(const options& o, std::unique_ptr<balancer_set> set)
    : max_runners(o.max_runners),
      time(o.time),
      seed(o.seed),
      stands_for(o.stands_for),
      balancers(set.get()),
      owned_balancers(std::move(set)),
      levels(owned_balancers->needs_levels()),
      index(page_limit(o.max_runners), levels),
      protocols(index.page_words()),
      answers(index.max_pages()),
      cohorts(index, zones),
      predicates(index.max_pages()),
      subjects(index.max_pages()),
      ages(std::size_t{index.max_pages()} * 64) {
    protect(o.protect);
    for (std::size_t i = 0; i < owned_balancers->size(); ++i) balancer_names[i] = (*owned_balancers)[i].name;
    n_balancers = owned_balancers->size();
}

bool selector::impl::owns(slot_ref s) const noexcept {
    if (page_of(s.slot) >= cohorts.n_pages()) return false;
    const std::uint64_t w = index.hot(s.slot).load();
    return (w & hot::k_used) && hot::generation(w) == s.generation;
}

std::uint64_t selector::impl::change(std::uint32_t slot, std::uint64_t set, std::uint64_t clear) noexcept {
    atomic_word& word = index.hot(slot);
    std::uint64_t w = word.load();
    while (!word.compare_exchange_weak(w, (w & ~clear) | set)) {
    }
    index.settle(slot, index.page(page_of(slot)), w, (w & ~clear) | set);
    return w;
}

/// Labels that every runner has of its own would only fill the pool.
std::shared_ptr<const label_map> selector::impl::shared(const std::shared_ptr<const label_map>& labels) {
    return labels && cohorts.has_open(*labels) ? labels : pool.share(labels);
}

/// Takes a slot for the profile and gives it its answers; closed, with no job in flight.
result<std::uint32_t> selector::impl::settle_in(const runner_profile& profile) {
    const signature kind = cohorts.sign(profile);
    auto where = cohorts.place(profile, kind);
    if (const auto page = where ? std::nullopt : cohorts.give_up_spare()) {
        forget_page(*page);
        where = cohorts.place(profile, kind);
    }
    if (!where) return make_problem(errc::busy, "the selection index has no page left: too many kinds of runners");
    const std::uint32_t slot = where->slot, page = page_of(slot);
    const auto generation = static_cast<std::uint8_t>(hot::generation(index.hot(slot).load()) + 1);
    index.hot(slot).store(hot::fresh(generation, profile.places));
    {
        runner_estimate& e = index.estimate(slot);
        const estimate_lock lock(e);
        e.clear();
        index.hot(slot).store(hot::with_cost(index.hot(slot).load(),
                                             e.cost(fleet, profile.weight, now_ns(), slow_start()), profile.places));
    }
    index.identity(slot).store(profile.identity, std::memory_order_relaxed);
    subjects.put(slot, {profile.facts, shared(profile.labels)});
    index.live(page).fetch_or(bit_of(slot));
    const bool fresh = where->new_page;
    if (fresh) {
        protocols.set(page, profile.protocols, true);
        layout.fetch_add(1);
    }
    const auto& pages = cohorts.of_page(page).pages;
    const bool known = fresh && pages.front() != page;  // what is said of the cohort's other pages holds for this one
    bool changed = fresh;
    predicates.for_each([&](predicate& p) {
        if (known) p.set_page(page, p.kind_of(pages.front()));
        if (fresh && !known) judge_page(p, page);
        if (p.is_mixed(page)) changed |= judge_slot(p, slot);
    });
    if (changed) answers[page].fetch_add(1);
    return slot;
}

result<slot_ref> selector::impl::add(const runner_profile& profile) {
    if (!profile.places) return bad_value("slots", "at least 1", "0");
    if (!profile.weight) return bad_value("weight", "at least 1/1024", "0");
    bury_tombstones();
    if (n_runners.load() >= max_runners)
        return problem{errc::busy, "the fleet is full", "max_runners", "at most " + std::to_string(max_runners),
                       "one more"};
    cohorts.count_labels(profile.labels.get(), 1);
    auto slot = settle_in(profile);
    if (!slot) {
        cohorts.count_labels(profile.labels.get(), -1);
        return slot.error();
    }
    n_runners.fetch_add(1);
    publish({page_of(*slot)});
    return slot_ref{*slot, hot::generation(index.hot(*slot).load())};
}

result<slot_ref> selector::impl::update(slot_ref s, const runner_profile& profile) {
    if (!profile.places) return bad_value("slots", "at least 1", "0");
    if (!profile.weight) return bad_value("weight", "at least 1/1024", "0");
    s = resolve(s);
    if (!owns(s)) return wrong_slot();
    bury_tombstones();
    judge_a_few_aged();
    const std::uint32_t page = page_of(s.slot);
    // Most changes are of facts that make no other kind of runner, and come with a copy of the same labels.
    const runner_subject& old = subjects.at(s.slot);
    const auto old_labels = old.labels;
    const bool same_labels =
        old_labels == profile.labels || (old_labels && profile.labels && *old_labels == *profile.labels);
    if (!same_labels) {
        cohorts.count_labels(profile.labels.get(), 1);
        cohorts.count_labels(old_labels.get(), -1);
    }
    if ((same_labels && same_kind(profile, old, index.page(page))) ||
        cohorts.sign(profile) == cohorts.of_page(page).key) {
        subjects.put(s.slot, {profile.facts, same_labels ? old_labels : shared(profile.labels)});
        index.identity(s.slot).store(profile.identity, std::memory_order_relaxed);
        predicates.for_each([&](predicate& p) {
            if (p.is_mixed(page) && judge_slot(p, s.slot)) answers[page].fetch_add(1);
        });
        return s;
    }
    auto moved = settle_in(profile);
    if (!moved) {
        if (!same_labels) {
            cohorts.count_labels(profile.labels.get(), -1);
            cohorts.count_labels(old_labels.get(), 1);
        }
        return moved.error();
    }
    const slot_ref to{*moved, hot::generation(index.hot(*moved).load())};
    inherit(s.slot, to, profile);
    // The claims go along: the new slot gets the count that the old one had when it began to forward
    // releases.
    atomic_word& old_word = index.hot(s.slot);
    atomic_word& new_word = index.hot(to.slot);
    index.forward(s.slot).store(to.slot | std::uint64_t{to.generation} << 32);
    std::uint64_t w = old_word.load();
    do {
        new_word.store(hot::with_in_flight(new_word.load(), hot::in_flight(w), profile.places) |
                       (w & (hot::k_out | hot::k_trial)));
    } while (!old_word.compare_exchange_weak(w, (w & ~(hot::k_open | hot::k_used)) | hot::k_forward));
    index.settle(s.slot, index.page(page), w, old_word.load());
    index.live(page).fetch_and(~bit_of(s.slot));
    subjects.erase(s.slot);
    tombstones.push_back(s.slot);
    if (w & hot::k_open) {
        count_open(s.slot, -1);
        change(to.slot, hot::k_open, 0);
        count_open(to.slot, 1);
    }
    bury_tombstones();
    publish({page, page_of(to.slot)});
    return to;
}

/// What is known of a runner goes along when it moves, and so does its place in the lists of those that are watched.
void selector::impl::inherit(std::uint32_t from, slot_ref to, const runner_profile& profile) {
    std::int64_t began = 0, out_until = 0;
    {
        runner_estimate copy;
        copy.lock = 0;
        {
            runner_estimate& old = index.estimate(from);
            const estimate_lock lock(old);
            copy.take_over(old);
            began = old.began_ns;
            out_until = old.out_until_ns;
        }
        runner_estimate& e = index.estimate(to.slot);
        const estimate_lock lock(e);
        e.take_over(copy);
        set_cost(to, e.cost(fleet, profile.weight, now_ns(), slow_start()));
    }
    std::lock_guard lock(protecting);
    if (began) beginners.push_back(to);
    if (index.hot(from).load() & hot::k_out) ejected.push_back({to, out_until});
}

void selector::impl::remove(slot_ref s) {
    s = resolve(s);
    if (!owns(s)) return;
    cohorts.count_labels(subjects.at(s.slot).labels.get(), -1);
    subjects.erase(s.slot);
    index.live(page_of(s.slot)).fetch_and(~bit_of(s.slot));
    vacate(s.slot);
    n_runners.fetch_sub(1);
    bury_tombstones();
    publish({page_of(s.slot)});
}

/// Empties a slot: claims on it are forgotten, later releases of them find another generation.
void selector::impl::vacate(std::uint32_t slot) {
    atomic_word& word = index.hot(slot);
    const std::uint32_t page = page_of(slot);
    std::uint64_t w = word.load(), empty = 0;
    do {
        empty = static_cast<std::uint64_t>(static_cast<std::uint8_t>(hot::generation(w) + 1)) << 56;
    } while (!word.compare_exchange_weak(w, empty));
    index.settle(slot, index.page(page), w, empty);
    if (w & hot::k_open) count_open(slot, -1);
    index.identity(slot).store(0, std::memory_order_relaxed);
    predicates.for_each([&](predicate& p) {
        if (p.is_mixed(page)) p.set_slot(slot, false);
    });
    if (const auto free = cohorts.vacate(slot)) forget_page(*free);
}

/// The page belongs to nobody any more.
void selector::impl::forget_page(std::uint32_t page) {
    protocols.set(page, index.page(page).protocols, false);
    predicates.for_each([&](predicate& p) { p.set_page(page, predicate::page_kind::none); });
    answers[page].fetch_add(1);
    layout.fetch_add(1);
}

/// Looks at some of them: where jobs last for hours there are many.
void selector::impl::bury_tombstones() {
    constexpr std::size_t k_some = 16;
    for (std::size_t n = std::min(k_some, tombstones.size()); n; --n) {
        if (next_tombstone >= tombstones.size()) next_tombstone = 0;
        const std::uint32_t slot = tombstones[next_tombstone];
        atomic_word& word = index.hot(slot);
        std::uint64_t w = word.load();
        // Closed for claim_existing before it is emptied, in one step with the look at its count.
        if (hot::in_flight(w) || !word.compare_exchange_strong(w, w & ~hot::k_forward)) {
            ++next_tombstone;
            continue;
        }
        vacate(slot);
        tombstones[next_tombstone] = tombstones.back();
        tombstones.pop_back();
    }
}

void selector::impl::set_open(slot_ref s, bool open) {
    judge_a_few_aged();
    s = resolve(s);
    if (!owns(s)) return;
    const bool was = change(s.slot, open ? hot::k_open : 0, open ? 0 : hot::k_open) & hot::k_open;
    if (open != static_cast<bool>(was)) count_open(s.slot, open ? 1 : -1);
    if (open && !was) begin_slowly(s);
}

/// Its zone has more, or fewer, places to wait for. A slot that forwards counts where it was.
void selector::impl::count_open(std::uint32_t slot, int change) noexcept {
    const std::uint32_t page = page_of(slot);
    zones.add_places(index.cohort(index.cohort_of(page)).zone, change * std::int64_t{index.page(page).places});
}

/// A new view; tells the balancers that want to know.
void selector::impl::publish(std::initializer_list<std::uint32_t> pages) {
    n_pages.store(cohorts.n_pages());
    n_cohorts.store(cohorts.n_cohorts());
    const std::uint64_t before = epoch.fetch_add(1);
    const balancer_set& set = *balancers.load();
    for (std::size_t i = 0; i < set.size(); ++i) {
        const loaded_balancer& b = set[i];
        if (!SIGRUN_HAS(b.table, on_snapshot)) continue;
        const sigrun_view view = describe();
        const sigrun_delta delta{sizeof delta, static_cast<std::uint32_t>(pages.size()), before, pages.begin()};
        b.table->on_snapshot(b.owner->abi(), &view, &delta);
    }
}

}  // namespace sigrun
