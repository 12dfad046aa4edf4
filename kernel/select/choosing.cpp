// Once a second: a balancer that chooses among the others is told how the jobs of each requirement fare, and its choices are
// put where picks read them (selection.md 4.5).
#include "kernel/base/read_section.hpp"
#include "kernel/select/selector_impl.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace sigrun {
namespace {

constexpr std::int64_t k_window_ns = 10'000'000'000;
constexpr std::size_t k_most_classes = 4096;
constexpr std::string_view k_geographic = "geographic";
constexpr double k_unknown = std::numeric_limits<double>::quiet_NaN();

/// A page at the moment of looking.
struct page_state {
    std::uint64_t open = 0;  // slots
    std::uint32_t places = 0, busy = 0;
};

std::vector<page_state> look_at_pages(const slot_index& index, std::uint32_t n) {
    std::vector<page_state> out(n);
    for (std::uint32_t page = 0; page < n; ++page) {
        page_state& p = out[page];
        p.places = index.page(page).places;
        for (std::uint64_t rest = index.live(page).load(); rest; rest &= rest - 1) {
            const auto bit = static_cast<std::uint32_t>(std::countr_zero(rest));
            const std::uint64_t w = index.hot(page * 64 + bit).load();
            if (!(w & hot::k_open) || (w & hot::k_out)) continue;
            p.open |= 1ull << bit;
            p.busy += std::min(hot::in_flight(w), p.places);
        }
    }
    return out;
}

/// Runners, places and idle share of those that match; of pages where only some do, their part of what is busy.
void count_places(sigrun_class_stats& into, const std::vector<page_state>& pages, const predicate* p) {
    double places = 0, busy = 0;
    for (std::uint32_t page = 0; page < pages.size(); ++page) {
        const std::uint64_t match = pages[page].open & (p ? p->slots(page) : ~0ull);
        if (!match) continue;
        const int runners = std::popcount(match);
        into.runners += static_cast<std::uint32_t>(runners);
        places += static_cast<double>(runners) * pages[page].places;
        busy += pages[page].busy * static_cast<double>(runners) / std::popcount(pages[page].open);
    }
    into.places = static_cast<std::uint32_t>(places);
    into.idle = places > 0 ? 1 - busy / places : k_unknown;
}

sigrun_policy_stats told(std::uint32_t id, std::uint32_t policy, const policy_figures& f, double seconds) {
    return {id, policy, f.jobs, f.mean, f.deviation, f.p99, seconds};
}

}  // namespace

std::size_t selector::impl::decider(const balancer_set& set, const pick_request& r, dispatcher& d,
                                    std::size_t named) noexcept {
    if (!set[named].chooses()) return named;
    if (!choosing.load(std::memory_order_relaxed)) choosing.store(true, std::memory_order_relaxed);
    const class_policies* own = r.pred->policies();
    const std::size_t priority = std::min<std::size_t>(r.priority, SIGRUN_PRIORITIES - 1);
    std::uint64_t word = own ? own->choice[priority].load(std::memory_order_relaxed) : 0;
    if (!word) word = usual_choice[priority].load(std::memory_order_relaxed);
    const policy_choice c = policy_choice::of(word);
    std::size_t id = c.policy;
    if (c.explore_ppm && (d.random() >> 32) * 1'000'000 >> 32 < c.explore_ppm) id = c.other;
    return id && set.can_pick(id - 1) ? id - 1 : set.first_picking();
}

void selector::impl::note_outcome(const job_feedback& f, std::uint16_t policy) noexcept {
    class_policies* own = f.pred->policies();
    const double mean_us = f.pred->jobs().mean_exec_us();
    if (!own || mean_us <= 0 || f.end.status != outcome_status::succeeded) return;
    const double waited = static_cast<double>(f.queued_us) + std::max(f.end.wait_us, 0.0);
    own->note(policy, (waited + std::max(f.end.exec_us, 0.0)) / mean_us, waited);
    own->keys.note(f.affinity_key);
}

/// What the classes are like that had jobs within a window, and at the end of a window what became of them.
selector::impl::class_report selector::impl::look_at_classes(std::int64_t now, bool window_over) {
    class_report out;
    const std::vector<page_state> pages = look_at_pages(index, n_pages.load(std::memory_order_acquire));
    std::lock_guard lock(mutex);
    const std::uint32_t threads = owned_balancers->threads();
    const double rtt_us = fleet.rtt_us.load(std::memory_order_relaxed);
    const double seconds = static_cast<double>(now - window_began_ns) * 1e-9;
    const auto describe_class = [&](const predicate* p, double wait_p99_us, double key_reuse) {
        sigrun_class_stats s{};
        s.dispatchers = threads;
        s.class_id = p ? p->id() : 0;
        count_places(s, pages, p);
        const double mean_us = p ? p->jobs().mean_exec_us() : 0;
        s.exec_cv = mean_us > 0 ? p->jobs().exec_cv() : k_unknown;
        s.rtt_over_exec = mean_us > 0 ? rtt_us / mean_us : k_unknown;
        s.key_reuse = key_reuse;
        s.wait_p99_us = wait_p99_us;
        return s;
    };
    out.classes.push_back(describe_class(nullptr, k_unknown, k_unknown));
    predicates.for_each([&](predicate& p) {
        if (!p.jobs().samples() || out.classes.size() > k_most_classes) return;
        if (!p.policies()) {
            class_policies& made = p.make_policies();
            made.wait_p99_us = made.key_reuse = k_unknown;
        }
        class_policies& own = *p.policies();
        if (std::exchange(own.seen, p.jobs().samples()) != p.jobs().samples()) own.active_ns = now;
        if (now - own.active_ns >= k_window_ns) return;
        if (window_over) {
            own.picking_last = own.picking.take();
            own.tried_last = own.tried.take();
            own.wait_p99_us = own.waits.quantile(0.99);
            own.waits.clear();
            own.key_reuse = own.keys.take_reuse();
            if (own.picking_id) out.windows.push_back(told(p.id(), own.picking_id, own.picking_last, seconds));
            if (own.tried_id) out.windows.push_back(told(p.id(), own.tried_id, own.tried_last, seconds));
        }
        out.classes.push_back(describe_class(&p, own.wait_p99_us, own.key_reuse));
    });
    return out;
}

/// No lock is held; the set, and whoever is in it, stays until the section ends.
std::vector<sigrun_choice> selector::impl::ask_chooser(const class_report& report) {
    std::vector<sigrun_choice> out(report.classes.size() * SIGRUN_PRIORITIES);
    const read_section reading;
    const balancer_set& set = *balancers.load(std::memory_order_acquire);
    const std::size_t who = set.chooser();
    if (who == set.size()) return {};
    const sigrun_balancer& table = *set[who].table;
    sigrun_instance* const instance = set[who].owner->abi();
    const bool again = retell.exchange(false);
    if ((std::exchange(told_set, set.id()) != set.id() || again) && SIGRUN_HAS(&table, policies)) {
        std::vector<sigrun_policy_name> names;
        for (std::size_t i = 0; i < set.size(); ++i)
            if (set.can_pick(i) && (geographic.load() || set[i].owner->component() != k_geographic))
                names.push_back(
                    {sdk::str(set[i].name), sdk::str(set[i].owner->component()), static_cast<std::uint32_t>(i + 1), 0});
        table.policies(instance, names.data(), static_cast<std::uint32_t>(names.size()));
    }
    if (!report.windows.empty() && SIGRUN_HAS(&table, observe))
        table.observe(instance, report.windows.data(), static_cast<std::uint32_t>(report.windows.size()));
    const std::uint32_t n =
        table.decide(instance, report.classes.data(), static_cast<std::uint32_t>(report.classes.size()), out.data());
    out.resize(std::min<std::size_t>(n, out.size()));
    std::erase_if(out, [&](const sigrun_choice& c) { return !c.policy || !set.can_pick(c.policy - 1); });
    for (sigrun_choice& c : out)
        if (!switching.load() || !c.other || !set.can_pick(c.other - 1u)) c.other = 0, c.explore_ppm = 0;
    return out;
}

void selector::impl::put(class_policies& own, const predicate& p, const sigrun_choice& c, std::int64_t now) {
    const auto policy = static_cast<std::uint16_t>(c.policy);
    if (const std::uint16_t before = own.picking_id; before != policy) {
        if (before && untold_switches.size() < k_most_classes)
            untold_switches.push_back({p.what().canonical(), balancer_names[before - 1u], balancer_names[policy - 1u],
                                       static_cast<policy_reason>(c.why), own.picking_last, own.last_of(policy)});
        if (before) {
            own.before_id = before;
            own.before_last = own.picking_last;
        }
        own.picking_last = {};
        own.picking_id = policy;
        own.since_ns = now;
        own.why = c.why;
    }
    if (own.tried_id != c.other) {
        own.tried_last = {};
        own.tried_id = c.other;
    }
    if (own.picking.policy() != own.picking_id) own.picking.begin(own.picking_id);
    if (own.tried.policy() != own.tried_id) own.tried.begin(own.tried_id);
}

void selector::impl::choose_policies(std::int64_t now) {
    const bool used = choosing.load(std::memory_order_relaxed);  // else this is the choice before the first job
    const bool window_over = used && switching.load() && window_began_ns && now - window_began_ns >= k_window_ns;
    if (used && !window_began_ns) window_began_ns = now;
    const class_report report = look_at_classes(now, window_over);
    if (window_over) window_began_ns = now;
    std::vector<sigrun_choice> choices = ask_chooser(report);
    const auto by_class = [](const sigrun_choice& a, const sigrun_choice& b) { return a.class_id < b.class_id; };
    std::stable_sort(choices.begin(), choices.end(), by_class);
    const auto write = [](policy_choices& into, const sigrun_choice& c) {
        const policy_choice chosen{static_cast<std::uint16_t>(c.policy), c.other,
                                   std::min<std::uint32_t>(c.explore_ppm, 1'000'000)};
        for (std::size_t i = 0; i < into.size(); ++i)
            if (!c.priorities || (c.priorities >> i & 1)) into[i].store(chosen.word(), std::memory_order_relaxed);
    };
    std::lock_guard lock(mutex);
    for (const sigrun_choice& c : choices)
        if (!c.class_id) write(usual_choice, c);
    predicates.for_each([&](predicate& p) {
        class_policies* own = p.policies();
        if (!own) return;
        sigrun_choice key{};
        key.class_id = p.id();
        const auto [first, last] = std::equal_range(choices.begin(), choices.end(), key, by_class);
        for (auto c = first; c != last; ++c) {
            write(own->choice, *c);
            if (!c->priorities || (c->priorities >> k_normal_priority & 1)) put(*own, p, *c, now);
        }
    });
}

policy_standing selector::impl::policy_of(const predicate& pred) const {
    policy_standing out;
    std::lock_guard lock(mutex);
    const class_policies* own = pred.policies();
    if (!own || !own->picking_id) return out;
    out.policy = balancer_names[own->picking_id - 1u];
    out.why = static_cast<policy_reason>(own->why);
    out.since = nanoseconds(now_ns() - own->since_ns);
    out.picking = own->picking_last;
    if (!own->tried_id) return out;
    out.tried = balancer_names[own->tried_id - 1u];
    out.tried_share = policy_choice::of(own->choice[k_normal_priority].load()).explore_ppm * 1e-6;
    out.trying = own->tried_last;
    return out;
}

}  // namespace sigrun
