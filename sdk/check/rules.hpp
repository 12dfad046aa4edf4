// The catalogue of rules: what each one demands, why, and how to fix a plugin that breaks it. Ids are stable; waivers and
// CI scripts name them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sigrun::check {

struct rule {
    std::string_view id;      // "life/threads-left"; what stands before the slash is its group
    std::string_view demand;  // one sentence
    std::string_view why;
    std::string_view fix;
};

std::span<const rule> all_rules() noexcept;
/// Null: no such rule.
const rule* find_rule(std::string_view id) noexcept;
/// In the order in which they run.
std::span<const std::string_view> all_groups() noexcept;
inline std::string_view group_of(std::string_view rule_id) noexcept { return rule_id.substr(0, rule_id.find('/')); }
/// What `--explain` prints.
std::string explain(const rule& which);

}  // namespace sigrun::check
