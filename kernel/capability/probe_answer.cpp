#include "kernel/capability/probe_answer.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

constexpr nanoseconds k_first_retry = std::chrono::seconds(5), k_last_retry = std::chrono::seconds(60);
constexpr nanoseconds k_nothing_said = std::chrono::seconds(10);

int weight(fact_status s) { return s == fact_status::ok ? 2 : s == fact_status::stale ? 1 : 0; }

bool lasts(const fact& f) { return f.volatility != fact_volatility::fast; }

}  // namespace

nanoseconds good_for(const probe_answer& answer) {
    if (answer.failures > 0) return std::min(k_first_retry * (1 << std::min(answer.failures - 1, 10u)), k_last_retry);
    if (answer.facts.empty()) return k_nothing_said;
    auto least = nanoseconds::max();
    for (const fact& f : answer.facts) {
        if (f.ttl_s) least = std::min<nanoseconds>(least, std::chrono::seconds(f.ttl_s));
        if (f.status == fact_status::timeout || f.status == fact_status::error) least = std::min(least, k_last_retry);
    }
    return least;
}

std::vector<fact> facts_of(const probe_answer& answer, bool past_its_time, std::int64_t wall_ns) {
    auto facts = answer.facts;
    if (!past_its_time) return facts;
    for (fact& f : facts) {
        if (f.status != fact_status::ok) continue;
        const bool old = f.ttl_s && wall_ns - f.observed_ns >= static_cast<std::int64_t>(f.ttl_s) * 1'000'000'000;
        if (old || answer.suggested) f.status = fact_status::stale;
    }
    return facts;
}

bool better(const fact& challenger, const fact& holder) {
    const int answers = weight(challenger.status), held = weight(holder.status);
    if (answers != held) return answers > held;
    const bool declares = answers > 0 && challenger.method == "declared",
               declared = held > 0 && holder.method == "declared";
    if (declares != declared) return declares;
    return challenger.confidence >= holder.confidence;
}

void fact_merge::add(fact f, bool told_as_stale) {
    const auto at = best_.find(f.key);
    if (at == best_.end()) {
        auto key = f.key;
        best_.emplace(std::move(key), holder{std::move(f), told_as_stale});
    } else if (better(f, at->second.best)) {
        at->second = {std::move(f), told_as_stale};
    }
}

std::vector<fact> fact_merge::take() && {
    std::vector<fact> facts;
    facts.reserve(best_.size());
    for (auto& [key, held] : best_) {
        if (held.told_as_stale && held.best.status == fact_status::ok) held.best.status = fact_status::stale;
        facts.push_back(std::move(held.best));
    }
    best_.clear();
    return facts;
}

bool differs(const probe_answer& a, const probe_answer& b) {
    // A probe may send its facts in another order each time; most do not.
    const auto in_order = [](const probe_answer& answer) {
        std::vector<const fact*> all;
        for (const fact& f : answer.facts)
            if (lasts(f)) all.push_back(&f);
        std::stable_sort(all.begin(), all.end(), [](const fact* x, const fact* y) { return x->key < y->key; });
        return all;
    };
    const auto left = in_order(a), right = in_order(b);
    return !std::equal(left.begin(), left.end(), right.begin(), right.end(), [](const fact* x, const fact* y) {
        return x->key == y->key && x->status == y->status && x->value == y->value;
    });
}

}  // namespace sigrun
