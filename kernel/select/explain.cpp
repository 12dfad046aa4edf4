// Off the hot path: why a requirement finds no runner, and whether the index is sound.
#include "kernel/config/settings.hpp"
#include "kernel/select/selector_impl.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace sigrun {

/// The terms of a requirement against one kind of runners, or one runner.
struct term_verdicts {
    explicit term_verdicts(std::size_t n) : terms(n, truth::unknown), open(n, false) {}
    std::vector<truth> terms;
    std::vector<bool> open;  // runners of the kind differ in it
    bool differ = false;
    truth whole() const noexcept {
        truth out = truth::yes;
        for (const truth t : terms) {
            if (t == truth::no) return t;
            if (t == truth::unknown) out = t;
        }
        return out;
    }
};

namespace {

using verdicts = term_verdicts;

constexpr std::size_t k_max_causes = 16;   // of one term; beyond that they are only counted
constexpr std::size_t k_max_absences = 8;  // that are told of
constexpr std::uint16_t k_urgent = 1;      // priority that may take what is kept for urgent jobs

/// Counts `n` more runners that do not satisfy a term, one of them here.
void note(selector::term_count& term, truth t, const requirement::shortfall& missing, slot_ref here, std::uint32_t n) {
    using kind = requirement::shortfall::kind;
    if (t == truth::no) {
        term.no += n;
        if (missing.what == kind::absent) {
            term.absent += n;
            term.absent_key = missing.why;
        }
        const bool nearer = term.closest.empty() || missing.distance < term.closest_distance;
        if (missing.what == kind::other && missing.distance >= 0 && nearer) {
            term.closest = missing.value;
            term.closest_distance = missing.distance;
            term.closest_at = here;
        }
        return;
    }
    term.unknown += n;
    const auto same = [&](const auto& cause) { return cause.why == missing.why; };
    auto at = std::find_if(term.causes.begin(), term.causes.end(), same);
    if (at == term.causes.end() && term.causes.size() == k_max_causes) return;
    if (at == term.causes.end()) at = term.causes.insert(at, {missing.why, 0, here});
    at->runners += n;
}

/// `n` more runners for which this is the only term that they do not satisfy.
void note_alone(selector::term_count& term, const requirement::shortfall& missing, slot_ref here, std::uint32_t n) {
    using kind = requirement::shortfall::kind;
    const bool measured = missing.what == kind::other && missing.distance >= 0;
    const bool nearer = term.alone_closest.empty() || missing.distance < term.alone_distance;
    if (!term.alone || (measured && nearer)) term.alone_at = here;
    term.alone += n;
    if (!measured || !nearer) return;
    term.alone_closest = missing.value;
    term.alone_distance = missing.distance;
}

/// "gpu[0].model" -> "gpu": a list fact answers for its elements.
std::string_view head_of(std::string_view key) noexcept { return key.substr(0, key.find('[')); }

/// Which keys that the terms name no runner has, and what there is instead.
class key_census {
public:
    key_census(const requirement& r, std::size_t n_terms) {
        for (std::size_t i = 0; i < n_terms; ++i)
            for (const std::string& key : r.term_keys(i)) missing_.push_back({i, key});
    }
    void see(const fact_sheet* facts) {
        if (!facts || missing_.empty() || !seen_.insert(&facts->block()).second) return;
        std::erase_if(missing_, [&](const asked& a) { return has(*facts, head_of(a.key)); });
        if (seen_.size() > k_enough) return;
        for (std::size_t i = 0; i < facts->size(); ++i) {
            const auto key = facts->at(i).kind->key();
            known_.emplace(key);
            known_.emplace(head_of(key));
        }
    }
    void tell(selector::explanation& out) {
        if (missing_.empty()) return;
        known_.insert("os.arch");  // an alias, never stored
        const std::vector<std::string> names(known_.begin(), known_.end());
        for (const asked& a : missing_)
            if (auto& term = out.terms[a.term]; term.nearest_key.empty()) term.nearest_key = nearest_name(a.key, names);
    }

private:
    static constexpr std::size_t k_enough = 64;  // kinds of machines whose keys are offered
    struct asked {
        std::size_t term;
        std::string key;
    };
    static bool has(const fact_sheet& facts, std::string_view head) {
        if (facts.find(head)) return true;
        const std::string list = std::string(head) + '[';
        const std::size_t at = facts.first_not_before(list);
        return at < facts.size() && facts.at(at).kind->key().starts_with(list);
    }

    std::vector<asked> missing_;
    std::set<std::string, std::less<>> known_;
    std::set<const fact_block*> seen_;  // machines of a class have the same keys
};

/// What the terms say of `n` runners that are alike, one of them `subject`. `each`: of one runner of a kind that differs,
/// so that only the terms are told where that is so.
void tell(selector::explanation& out, const requirement& r, const verdicts& v, const match_subject& subject,
          slot_ref here, std::uint32_t n, const std::vector<bool>* only) {
    std::size_t failing = 0, last = 0;
    for (std::size_t i = 0; i < v.terms.size(); ++i)
        if (v.terms[i] != truth::yes) {
            ++failing;
            last = i;
        }
    for (std::size_t i = 0; i < v.terms.size(); ++i) {
        if (v.terms[i] == truth::yes || v.open[i]) continue;
        const bool counts = !only || (*only)[i];
        const bool alone = failing == 1 && i == last && (only || !v.differ);
        if (!counts && !alone) continue;
        // Farther than both nearest ones it is only counted.
        const auto limit = [](double nearest) {
            return nearest < 0 ? std::numeric_limits<double>::infinity() : nearest;
        };
        const auto missing = r.term_shortfall(i, subject, v.terms[i],
                                              std::max(counts ? limit(out.terms[i].closest_distance) : 0,
                                                       alone ? limit(out.terms[i].alone_distance) : 0));
        if (counts) note(out.terms[i], v.terms[i], missing, here, n);
        if (alone) note_alone(out.terms[i], missing, here, n);
    }
}

/// Who is chosen rather.
bool likelier(const selector::candidate& a, const selector::candidate& b) noexcept {
    const auto rank = [](const selector::candidate& c) { return c.tier < 0 ? hot::k_planes : c.tier; };
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    const std::uint64_t load_a = std::uint64_t{a.in_flight} * b.places, load_b = std::uint64_t{b.in_flight} * a.places;
    return load_a != load_b ? load_a < load_b : a.relative_cost < b.relative_cost;
}

}  // namespace

/// A runner that matches: what hinders it.
void selector::impl::sort_in(explanation& out, const explain_terms& asked, slot_ref at, std::uint64_t w,
                             page_facts page) const {
    const std::uint32_t q = hot::in_flight(w);
    if (!(w & hot::k_open)) {
        if (!out.closed++) out.closed_at = at;
        return;
    }
    if (!(page.protocols & asked.protocols)) {
        if (!out.other_protocol++) out.other_at = at;
        out.other_protocols |= page.protocols;
        return;
    }
    const int tier = hot::tier_plane(w, page);
    const bool urgent = asked.priority <= k_urgent;
    if (w & hot::k_out) {
        ++out.ejected;
    } else if ((w & hot::k_trial) && q) {
        ++out.on_trial;
    } else {
        out.places += page.places;
        out.in_flight += q;
        if (tier == hot::k_nowhere) {
            if (!out.full++) out.full_at = at;
        } else if (tier == hot::k_kept && !urgent) {
            ++out.kept;
            out.kept_places += page.places - q;
        } else {
            ++out.free;
        }
    }
    const candidate here{at, tier, q, page.places, std::exp2(hot::cost(w) / 256.0 - 64)};
    if (out.best.size() == asked.candidates && (out.best.empty() || !likelier(here, out.best.back()))) return;
    if (out.best.size() == asked.candidates) out.best.pop_back();
    out.best.insert(std::upper_bound(out.best.begin(), out.best.end(), here, likelier), here);
}

void selector::impl::list_absences(explanation& out, const std::vector<slot_ref>& out_now) const {
    const std::int64_t now = now_ns();
    std::lock_guard lock(protecting);
    for (const absentee& a : ejected) {
        const slot_ref at = resolve(a.where);
        if (std::find(out_now.begin(), out_now.end(), at) == out_now.end()) continue;
        ejection told = a.told;
        told.slot = at;
        out.absences.push_back({told, nanoseconds(std::max<std::int64_t>(a.until_ns - now, 0))});
    }
    std::sort(out.absences.begin(), out.absences.end(), [](const auto& a, const auto& b) { return a.left < b.left; });
    if (out.absences.size() > k_max_absences) out.absences.resize(k_max_absences);
}

void selector::impl::explain_page(std::uint32_t page, std::uint64_t live, const requirement& r, const verdicts& kind,
                                  const explain_terms& asked, explanation& out, std::vector<slot_ref>& out_now) const {
    const page_facts facts = index.page(page);
    const auto first = page * 64 + static_cast<std::uint32_t>(std::countr_zero(live));
    const slot_ref example{first, hot::generation(index.hot(first).load())};
    tell(out, r, kind, subjects.at(first).view(), example, static_cast<std::uint32_t>(std::popcount(live)), nullptr);
    verdicts own = kind;
    own.open.assign(own.open.size(), false);
    for (std::uint64_t rest = live; rest; rest &= rest - 1) {
        const std::uint32_t slot = page * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
        const std::uint64_t w = index.hot(slot).load();
        const slot_ref here{slot, hot::generation(w)};
        if (kind.differ) {
            const match_subject one = subjects.at(slot).view();
            for (std::size_t i = 0; i < own.terms.size(); ++i)
                if (kind.open[i]) own.terms[i] = r.term_matches(i, one);
            tell(out, r, own, one, here, 1, &kind.open);
        }
        const bool open = w & hot::k_open;
        const truth whole = own.whole();
        ++out.runners;
        out.open += open;
        out.unknown += whole == truth::unknown;
        if (whole != truth::yes) continue;
        ++out.matching;
        out.matching_open += open;
        out.busy += open && !hot::can_take(w, facts);
        sort_in(out, asked, here, w, facts);
        if (open && (w & hot::k_out)) out_now.push_back(here);
    }
}

/// Some pages at a time, so that whoever changes a runner does not wait for a look at all of them.
selector::explanation selector::impl::explain(const requirement& r, const explain_terms& asked) const {
    constexpr std::uint32_t k_pages = 16;
    explanation out;
    for (const auto& t : r.terms()) {
        out.terms.emplace_back().text = t.text;
        out.terms.back().column = t.column;
    }
    const std::size_t n_terms = out.terms.size();
    key_census keys(r, n_terms);
    std::map<signature, verdicts> kinds;
    std::vector<slot_ref> out_now;  // ejected, of those that match
    const auto judged = [&](const cohort& c) -> const verdicts& {
        auto [at, fresh] = kinds.try_emplace(c.key, n_terms);
        verdicts& v = at->second;
        if (!fresh) return v;
        keys.see(c.facts.get());
        for (std::size_t i = 0; i < n_terms; ++i) {
            match_scope scope;
            scope.class_only = true;
            scope.open_labels = &c.open_labels;
            v.terms[i] = r.term_matches(i, {c.facts.get(), c.labels.get()}, scope);
            v.open[i] = v.terms[i] == truth::unknown && scope.hidden;
            v.differ |= v.open[i];
        }
        return v;
    };
    for (std::uint32_t begin = 0, n = ~0u; begin < n; begin += k_pages) {
        const std::lock_guard lock(mutex);
        n = cohorts.n_pages();
        for (std::uint32_t page = begin; page < std::min(begin + k_pages, n); ++page)
            if (const std::uint64_t live = index.live(page).load())
                explain_page(page, live, r, judged(cohorts.of_page(page)), asked, out, out_now);
    }
    if (!out_now.empty()) list_absences(out, out_now);
    for (auto& term : out.terms)
        std::stable_sort(term.causes.begin(), term.causes.end(),
                         [](const auto& a, const auto& b) { return a.runners > b.runners; });
    keys.tell(out);
    return out;
}

/// A bit may lag behind its word while a thread is between two steps, so a slot counts as wrong only when
/// nothing about it has moved for a second.
std::uint64_t selector::impl::repairs() noexcept {
    std::lock_guard lock(mutex);
    const auto now = std::chrono::steady_clock::now();
    if (now - last_sweep < std::chrono::seconds(1)) return n_repairs.load();
    last_sweep = now;
    for (const suspect& s : suspects)
        if (index.hot(s.slot).load() == s.word && index.faults(s.slot)) {
            index.repair(s.slot);
            n_repairs.fetch_add(1);
        }
    suspects.clear();
    // A part at a time, so that a million runners do not hold up whoever changes one of them.
    constexpr std::uint32_t k_pages = 512;
    if (sweep_page >= cohorts.n_pages()) sweep_page = 0;
    const std::uint32_t end = std::min(sweep_page + k_pages, cohorts.n_pages());
    for (std::uint32_t slot = sweep_page * 64; slot < end * 64; ++slot)
        if (index.faults(slot)) suspects.push_back({slot, index.hot(slot).load()});
    sweep_page = end;
    return n_repairs.load();
}

std::uint64_t selector::impl::faults() const {
    std::uint64_t n = 0;
    for (std::uint32_t slot = 0; slot < cohorts.n_pages() * 64; ++slot) n += index.faults(slot);
    return n;
}

}  // namespace sigrun
