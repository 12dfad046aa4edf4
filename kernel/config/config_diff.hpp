// What is different between two configurations, key by key, and how to show it without showing secrets. Pure.
#pragma once

#include "kernel/config/settings.hpp"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sigrun {

struct config_change {
    std::string section, key;  // without key: a section that has none came or went
    std::optional<std::string> before, after;
    std::string origin;  // of the value after, or of the one that is gone
    std::string effect;  // hot, new instance, restart, none; "" = not judged
    std::string reason;  // of the effect, where it is not obvious

    std::string name() const { return key.empty() ? "[" + section + "]" : section + "." + key; }
};

/// In order of sections and keys. Values are compared as they are written.
std::vector<config_change> diff_settings(const settings& before, const settings& after);

/// "section.key" of values that must not be shown.
using secret_names = std::set<std::string, std::less<>>;
inline constexpr const char* k_hidden_value = "***";
/// The change with hidden values replaced; both, if they differ, by the same text.
config_change shown(config_change change, const secret_names& secrets);
/// "server.peek_timeout: 5s -> 7s", "server.peek_timeout: 7s (was not set)"; for lists and logs.
std::string line_of(const config_change& change);
/// All values as an INI with the origin of each behind it, for reading.
std::string to_ini(const settings& what, const secret_names& secrets);

}  // namespace sigrun
