// The balancers that can be chosen, and which of them a class gets before there is evidence.
#pragma once

#include <sigrun/balancer.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::adaptive {

class policy_names {
public:
    /// `wanted`: those that may be tried, best first.
    explicit policy_names(std::vector<std::string> wanted) : wanted_(std::move(wanted)) {}

    void replace(const sigrun_policy_name* names, std::uint32_t n);
    /// 0: there is none of this name.
    std::uint32_t find(std::string_view name) const;
    bool has(std::uint32_t policy) const { return ids_.contains(policy); }
    /// Those of the wanted ones that are there.
    const std::vector<std::uint32_t>& candidates() const noexcept { return candidates_; }
    /// For a class of which only its runners are known; 0: nobody is there.
    std::uint32_t prior(const sigrun_class_stats& stats) const;
    /// What the priorities had before there was evidence.
    std::uint32_t by_priority(unsigned priority) const;

private:
    std::uint32_t first_of(std::initializer_list<std::string_view> names) const;

    std::vector<std::string> wanted_;
    std::map<std::string, std::uint32_t, std::less<>> by_name_, by_component_;
    std::map<std::uint32_t, std::string> ids_;
    std::vector<std::uint32_t> candidates_;
};

}  // namespace sigrun::adaptive
