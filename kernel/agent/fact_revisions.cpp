#include "kernel/agent/fact_revisions.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_gone = 1024;

bool same_words(const fact& a, const fact& b) {
    return a.volatility == b.volatility && a.unique == b.unique && a.confidence == b.confidence && a.ttl_s == b.ttl_s &&
           a.method == b.method && a.source == b.source && a.detail == b.detail;
}

fact_revisions::change difference(const fact& was, const fact& is) {
    using change = fact_revisions::change;
    const bool fast = is.volatility == fact_volatility::fast;
    if (was.status != is.status || was.value != is.value || was.volatility != is.volatility)
        return fast && was.status == is.status ? change::minor : change::major;
    // How old a fast fact is decides whether it may be used; the others only say when they were found so.
    return !same_words(was, is) || (fast && was.observed_ns != is.observed_ns) ? change::minor : change::none;
}

}  // namespace

fact_revisions::change fact_revisions::note(const capability_document& before, const capability_document& after) {
    auto all = change::none;
    const auto next = now_ + 1;
    for (const auto& f : after.facts()) {
        const fact* was = before.find(f.key);
        const auto one = was ? difference(*was, f) : change::major;
        if (one == change::none) continue;
        changed_[f.key] = next;
        gone_.erase(f.key);
        all = std::max(all, one);
    }
    for (const auto& f : before.facts()) {
        if (after.find(f.key)) continue;
        changed_.erase(f.key);
        gone_[f.key] = next;
        all = change::major;
    }
    if (all != change::none) now_ = next;
    if (gone_.size() > k_max_gone) {
        gone_.clear();
        oldest_base_ = now_;
    }
    return all;
}

void fact_revisions::tell(json::object& hello, const capability_document& facts, std::uint64_t base) const {
    hello["facts_revision"] = now_;
    hello["inventory_hash"] = facts.inventory_hash();
    if (base < oldest_base_ || base > now_) {
        hello["facts"] = facts.to_json();
        return;
    }
    hello["facts_base"] = base;
    json::array news, gone;
    for (const auto& [key, at] : changed_)
        if (const fact* f = at > base ? facts.find(key) : nullptr) news.emplace_back(to_json(*f));
    for (const auto& [key, at] : gone_)
        if (at > base) gone.emplace_back(key);
    hello["facts"] = std::move(news);
    if (!gone.empty()) hello["facts_gone"] = std::move(gone);
}

}  // namespace sigrun
