#include "kernel/job/group_field.hpp"

#include "kernel/config/settings.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace sigrun {
namespace {

constexpr std::size_t k_longest_group = 128;
constexpr std::array k_known_policies{group_policy::queue, group_policy::cancel_running, group_policy::cancel_waiting,
                                      group_policy::refuse};

std::string found_in(const json::value& v) { return json::serialize(v).substr(0, 80); }

result<std::string> name_of(const json::value& v, const std::string& field) {
    if (!v.is_string() || v.get_string().empty()) return bad_value(field, "the name of a group", found_in(v));
    const auto& text = v.get_string();
    if (text.size() > k_longest_group)
        return bad_value(field, "at most 128 bytes", std::to_string(text.size()) + " bytes");
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::any_of(text.begin(), text.end(), control))
        return bad_value(field, "a name without control characters", found_in(v));
    return std::string(text);
}

result<group_policy> policy_of(const json::value& v) {
    std::string known;
    for (const auto each : k_known_policies) {
        if (v.is_string() && v.get_string() == to_string(each)) return each;
        known += (known.empty() ? "one of " : ", ") + std::string(to_string(each));
    }
    return bad_value("group.policy", known, found_in(v));
}

}  // namespace

result<group_wish> read_group_field(const json::value& v) {
    group_wish out;
    if (v.is_string()) {
        SIGRUN_TRY(name, name_of(v, "group"));
        out.name = name;
        return out;
    }
    const auto* o = v.if_object();
    if (!o) return bad_value("group", "a name, or {\"name\", \"max\", \"policy\"}", found_in(v));
    static const json::value k_nothing;
    for (const auto& [key, value] : *o) {
        if (key == "max") {
            boost::system::error_code ec;
            const auto max = value.is_number() ? value.to_number<std::uint32_t>(ec) : 0;
            if (!value.is_number() || ec || max < 1 || max > k_most_in_group)
                return bad_value("group.max", "a whole number from 1 to " + std::to_string(k_most_in_group),
                                 found_in(value));
            out.max = max;
        } else if (key == "policy") {
            SIGRUN_TRY(policy, policy_of(value));
            out.policy = policy;
        } else if (key != "name") {
            static const std::vector<std::string> k_group_members{"name", "max", "policy"};
            const auto near = nearest_name(key, k_group_members);
            return problem{errc::unknown_field, "unknown field", "group." + std::string(key),
                           near.empty() ? "one of name, max, policy" : "a known field, perhaps \"" + near + "\"",
                           "\"" + std::string(key) + "\""};
        }
    }
    const auto* name = o->if_contains("name");
    SIGRUN_TRY(text, name_of(name ? *name : k_nothing, "group.name"));
    out.name = text;
    return out;
}

}  // namespace sigrun
