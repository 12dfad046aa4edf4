#include "policy_names.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun::adaptive {
namespace {

std::string text(sigrun_str s) { return std::string(sdk::view(s)); }

}  // namespace

void policy_names::replace(const sigrun_policy_name* names, std::uint32_t n) {
    by_name_.clear();
    by_component_.clear();
    ids_.clear();
    candidates_.clear();
    for (std::uint32_t i = 0; i < n; ++i) {
        by_name_.emplace(text(names[i].name), names[i].policy);
        by_component_.emplace(text(names[i].component), names[i].policy);
        ids_.emplace(names[i].policy, text(names[i].name));
    }
    for (const std::string& name : wanted_)
        if (const std::uint32_t id = find(name);
            id && std::find(candidates_.begin(), candidates_.end(), id) == candidates_.end())
            candidates_.push_back(id);
}

std::uint32_t policy_names::find(std::string_view name) const {
    if (const auto at = by_name_.find(name); at != by_name_.end()) return at->second;
    const auto at = by_component_.find(name);
    return at != by_component_.end() ? at->second : 0;
}

std::uint32_t policy_names::first_of(std::initializer_list<std::string_view> names) const {
    for (const std::string_view name : names)
        if (const std::uint32_t id = find(name)) return id;
    if (!candidates_.empty()) return candidates_.front();
    return ids_.empty() ? 0 : ids_.begin()->first;
}

std::uint32_t policy_names::prior(const sigrun_class_stats& stats) const {
    // Jobs whose keys come again and again find what they need where the last one left it. No trial shows that: a share of the
    // jobs would find it nowhere.
    constexpr double k_recur = 0.5;
    if (stats.key_reuse >= k_recur)
        if (const std::uint32_t id = find("affinity")) return id;
    // Where runners have several places, comparing what a job costs there pays most; with one place each all that finds the
    // best idle runner is equal, and in a small fleet the plainest is.
    constexpr std::uint32_t k_small = 64;
    const bool one_place = stats.runners && stats.places < 2 * stats.runners;
    const std::uint32_t first = one_place && stats.runners < k_small ? find("idle_first") : find("performance");
    const auto may = [&](std::uint32_t id) {
        return id && std::find(candidates_.begin(), candidates_.end(), id) != candidates_.end();
    };
    if (may(first)) return first;
    return first_of({});
}

std::uint32_t policy_names::by_priority(unsigned priority) const {
    if (priority == 0) return first_of({"performance"});
    if (priority == 1) return first_of({"least_connections"});
    return first_of({"round_robin"});
}

}  // namespace sigrun::adaptive
