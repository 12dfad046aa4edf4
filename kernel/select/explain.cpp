// Off the hot path: why a requirement finds no runner, and whether the index is sound.
#include "kernel/config/settings.hpp"
#include "kernel/select/selector_impl.hpp"

#include <algorithm>
#include <set>

namespace sigrun {
namespace {

constexpr std::size_t k_max_causes = 16;  // of one term; beyond that they are only counted

/// Counts one more runner that does not satisfy a term.
void note(selector::term_count& term, truth t, const requirement::shortfall& missing, std::uint32_t slot,
          std::uint8_t generation) {
    using kind = requirement::shortfall::kind;
    const slot_ref here{slot, generation};
    if (t == truth::no) {
        ++term.no;
        if (missing.what == kind::absent) {
            ++term.absent;
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
    ++term.unknown;
    const auto same = [&](const auto& cause) { return cause.why == missing.why; };
    auto at = std::find_if(term.causes.begin(), term.causes.end(), same);
    if (at == term.causes.end() && term.causes.size() == k_max_causes) return;
    if (at == term.causes.end()) at = term.causes.insert(at, {missing.why, 0, here});
    ++at->runners;
}

/// "gpu[0].model" -> "gpu": a list fact answers for its elements.
std::string_view head_of(std::string_view key) noexcept { return key.substr(0, key.find('[')); }

}  // namespace

selector::explanation selector::impl::explain(const requirement& r) const {
    explanation out;
    for (const auto& t : r.terms()) {
        out.terms.emplace_back().text = t.text;
        out.terms.back().column = t.column;
    }
    std::set<std::string, std::less<>> known_keys;
    std::set<const fact_block*> seen;  // machines of a class have the same keys
    for (const auto& [slot, profile] : profiles) {
        const match_subject subject{profile.facts.get(), profile.labels.get()};
        const std::uint64_t w = index.hot(slot).load();
        const bool open = w & hot::k_open;
        const truth whole = r.matches(subject);
        ++out.runners;
        out.open += open;
        out.unknown += whole == truth::unknown;
        if (whole == truth::yes) {
            ++out.matching;
            out.matching_open += open;
            out.busy += open && !hot::can_take(w, index.page(page_of(slot)));
        }
        for (std::size_t i = 0; i < out.terms.size(); ++i) {
            const truth t = r.term_matches(i, subject);
            if (t != truth::yes) note(out.terms[i], t, r.term_shortfall(i, subject), slot, hot::generation(w));
        }
        if (profile.facts && seen.insert(&profile.facts->block()).second)
            for (std::size_t i = 0; i < profile.facts->size(); ++i) {
                const auto key = profile.facts->at(i).kind->key();
                known_keys.emplace(key);
                known_keys.emplace(head_of(key));
            }
    }
    for (auto& term : out.terms)
        std::stable_sort(term.causes.begin(), term.causes.end(),
                         [](const auto& a, const auto& b) { return a.runners > b.runners; });
    known_keys.insert("os.arch");  // an alias, never stored
    const std::vector<std::string> names(known_keys.begin(), known_keys.end());
    for (std::size_t i = 0; i < out.terms.size(); ++i)
        for (const std::string& key : r.term_keys(i))
            if (!known_keys.contains(key) && !known_keys.contains(head_of(key))) {
                out.terms[i].nearest_key = nearest_name(key, names);
                break;
            }
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
