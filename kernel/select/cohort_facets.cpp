#include "kernel/select/cohort_facets.hpp"

#include "kernel/capability/fact_block.hpp"
#include "kernel/select/cohort_table.hpp"

#include <algorithm>

namespace sigrun {
namespace {

using bits = std::vector<std::uint64_t>;

const fact_block* block_of(const cohort& c) noexcept { return c.facts ? &c.facts->block() : nullptr; }

void drop(std::vector<std::uint32_t>& from, std::uint32_t id) {
    if (const auto at = std::find(from.begin(), from.end(), id); at != from.end()) {
        *at = from.back();
        from.pop_back();
    }
}

void set(bits& in, std::uint32_t id) noexcept { in[id >> 6] |= 1ull << (id & 63u); }

}  // namespace

/// What a term says; a cohort in neither does not satisfy it.
struct cohort_facets::verdict {
    explicit verdict(std::size_t words) : yes(words), open(words) {}
    bits yes, open;  // open: its runners differ in what the term looks at

    void note(truth t, bool hidden, std::uint32_t id) noexcept {
        if (t == truth::yes) set(yes, id);
        if (t == truth::unknown && hidden) set(open, id);
    }
    void note(truth t, bool hidden, const members& ids) noexcept {
        if (t == truth::no || (t == truth::unknown && !hidden)) return;
        for (const std::uint32_t id : ids) note(t, hidden, id);
    }
};

void cohort_facets::add(std::uint32_t id, const cohort& c) {
    if (cohorts_.size() <= id) cohorts_.resize(id + 1);
    cohorts_[id] = &c;
    ++count_;
    by_facts_[block_of(c)].push_back(id);
    if (!c.labels) return;
    for (const auto& [name, value] : *c.labels) {
        label_facet& facet = by_label_[name];
        facet.with.push_back(id);
        const bool open = std::binary_search(c.open_labels.begin(), c.open_labels.end(), name);
        (open ? facet.open : facet.values[value]).push_back(id);
    }
}

void cohort_facets::remove(std::uint32_t id, const cohort& c) {
    cohorts_[id] = nullptr;
    --count_;
    if (const auto at = by_facts_.find(block_of(c)); at != by_facts_.end()) {
        drop(at->second, id);
        if (at->second.empty()) by_facts_.erase(at);
    }
    if (!c.labels) return;
    for (const auto& [name, value] : *c.labels) {
        const auto facet = by_label_.find(name);
        if (facet == by_label_.end()) continue;
        drop(facet->second.with, id);
        drop(facet->second.open, id);
        if (const auto at = facet->second.values.find(value); at != facet->second.values.end()) {
            drop(at->second, id);
            if (at->second.empty()) facet->second.values.erase(at);
        }
        if (facet->second.with.empty()) by_label_.erase(facet);
    }
}

void cohort_facets::judge_facts(const requirement& r, std::size_t term, verdict& out) const {
    for (const auto& [block, ids] : by_facts_) {
        match_scope scope;
        scope.class_only = true;
        const truth t = r.term_matches(term, {cohorts_[ids.front()]->facts.get(), nullptr}, scope);
        out.note(t, scope.hidden, ids);
    }
}

void cohort_facets::judge_label(const requirement& r, std::size_t term, const std::string& label, verdict& out) const {
    const auto ask = [&](const label_map* labels, const std::vector<std::string>* open, const members& ids) {
        match_scope scope;
        scope.class_only = true;
        scope.open_labels = open;
        const truth t = r.term_matches(term, {nullptr, labels}, scope);
        out.note(t, scope.hidden, ids);
    };
    const auto facet = by_label_.find(label);
    members without;
    if (facet == by_label_.end() || facet->second.with.size() < count_) {
        bits with(out.yes.size());
        if (facet != by_label_.end())
            for (const std::uint32_t id : facet->second.with) set(with, id);
        for (std::uint32_t id = 0; id < cohorts_.size(); ++id)
            if (cohorts_[id] && !(with[id >> 6] >> (id & 63u) & 1)) without.push_back(id);
        const label_map none;
        ask(&none, nullptr, without);
    }
    if (facet == by_label_.end()) return;
    label_map one{{label, {}}};
    for (const auto& [value, ids] : facet->second.values) {
        one.begin()->second = value;
        ask(&one, nullptr, ids);
    }
    const std::vector<std::string> open{label};
    if (!facet->second.open.empty()) ask(&one, &open, facet->second.open);
}

/// It looks at more than one of these.
void cohort_facets::judge_each(const requirement& r, std::size_t term, verdict& out) const {
    for (std::uint32_t id = 0; id < cohorts_.size(); ++id) {
        const cohort* c = cohorts_[id];
        if (!c) continue;
        match_scope scope;
        scope.class_only = true;
        scope.open_labels = &c->open_labels;
        const truth t = r.term_matches(term, {c->facts.get(), c->labels.get()}, scope);
        out.note(t, scope.hidden, id);
    }
}

cohort_facets::answer cohort_facets::judge(const requirement& r) const {
    const std::size_t words = (cohorts_.size() + 63) / 64;
    answer out{bits(words), bits(words)};
    for (std::uint32_t id = 0; id < cohorts_.size(); ++id)
        if (cohorts_[id]) set(out.all, id);
    bits possible = out.all;
    for (std::size_t i = 0; i < r.terms().size(); ++i) {
        verdict v(words);
        const auto& labels = r.term_labels(i);
        if (labels.empty())
            judge_facts(r, i, v);
        else if (labels.size() == 1 && r.term_keys(i).empty())
            judge_label(r, i, labels.front(), v);
        else
            judge_each(r, i, v);
        for (std::size_t w = 0; w < words; ++w) {
            out.all[w] &= v.yes[w];
            possible[w] &= v.yes[w] | v.open[w];
        }
    }
    for (std::size_t w = 0; w < words; ++w) out.mixed[w] = possible[w] & ~out.all[w];
    return out;
}

}  // namespace sigrun
