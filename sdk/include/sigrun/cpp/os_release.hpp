// sigrun/cpp/os_release.hpp: os-release(5): NAME="Debian GNU/Linux". Header-only.
#pragma once

#include <sigrun/cpp/procfs.hpp>

namespace sigrun::sdk {

/// The last assignment of `name`, unquoted as a shell would; nothing if there is none or its quotes do not
/// close.
inline std::optional<std::string> os_release_value(std::string_view text, std::string_view name) {
    std::optional<std::string> found;
    std::string_view line;
    while (next_line(text, line)) {
        line = trimmed(line);
        if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != '=') continue;
        line.remove_prefix(name.size() + 1);
        char quote = 0;
        if (!line.empty() && (line.front() == '"' || line.front() == '\'')) {
            quote = line.front();
            if (line.size() < 2 || line.back() != quote) {
                found.reset();
                continue;
            }
            line = line.substr(1, line.size() - 2);
        }
        std::string value;
        for (std::size_t i = 0; i < line.size(); ++i) {
            if (line[i] == '\\' && quote != '\'' && i + 1 < line.size()) ++i;
            value += line[i];
        }
        found = std::move(value);
    }
    return found;
}

}  // namespace sigrun::sdk
