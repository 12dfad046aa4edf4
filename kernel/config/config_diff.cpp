#include "kernel/config/config_diff.hpp"

#include <map>

namespace sigrun {
namespace {

using section_map = std::map<std::string, const config_section*, std::less<>>;

section_map by_name(const settings& of) {
    section_map out;
    for (const auto& section : of.sections()) out.emplace(section.name, &section);
    return out;
}

void compare(const std::string& name, const config_section* before, const config_section* after,
             std::vector<config_change>& out) {
    static const std::map<std::string, setting, std::less<>> none;
    const auto& old_values = before ? before->values : none;
    const auto& new_values = after ? after->values : none;
    if (old_values.empty() && new_values.empty()) {
        if (!before || !after) out.push_back({name, "", {}, {}, (after ? after : before)->origin, "", ""});
        return;
    }
    for (const auto& [key, value] : old_values)
        if (!new_values.contains(key)) out.push_back({name, key, value.value, {}, value.origin, "", ""});
    for (const auto& [key, value] : new_values) {
        auto old = old_values.find(key);
        if (old == old_values.end())
            out.push_back({name, key, {}, value.value, value.origin, "", ""});
        else if (old->second.value != value.value)
            out.push_back({name, key, old->second.value, value.value, value.origin, "", ""});
    }
}

}  // namespace

std::vector<config_change> diff_settings(const settings& before, const settings& after) {
    const auto old_sections = by_name(before), new_sections = by_name(after);
    section_map all = old_sections;
    all.insert(new_sections.begin(), new_sections.end());
    std::vector<config_change> out;
    for (const auto& [name, ignored] : all) {
        auto old = old_sections.find(name), now = new_sections.find(name);
        compare(name, old == old_sections.end() ? nullptr : old->second,
                now == new_sections.end() ? nullptr : now->second, out);
    }
    return out;
}

config_change shown(config_change change, const secret_names& secrets) {
    if (!secrets.contains(change.section + "." + change.key)) return change;
    if (change.before) change.before = k_hidden_value;
    if (change.after) change.after = k_hidden_value;
    return change;
}

std::string line_of(const config_change& change) {
    if (change.key.empty()) return "[" + change.section + "]";
    if (!change.before) return change.name() + ": " + change.after.value_or("") + " (was not set)";
    if (!change.after) return change.name() + ": not set (was " + *change.before + ")";
    return change.name() + ": " + *change.before + " -> " + *change.after;
}

std::string to_ini(const settings& what, const secret_names& secrets) {
    std::string out;
    for (const auto& section : what.sections()) {
        if (!out.empty()) out += '\n';
        out += "[" + section.name + "]\n";
        for (const auto& [key, value] : section.values) {
            const bool hidden = secrets.contains(section.name + "." + key);
            out += key + " = " + (hidden ? k_hidden_value : value.value) + "  ; " + value.origin + "\n";
        }
    }
    return out;
}

}  // namespace sigrun
