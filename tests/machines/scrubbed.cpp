#include "machines/scrubbed.hpp"

#include <regex>

namespace machines {
namespace {

bool ends_with_any(std::string_view path, std::initializer_list<std::string_view> ends) {
    for (auto end : ends)
        if (path.ends_with(end)) return true;
    return false;
}

void replace_all(std::string& text, const char* pattern, const char* by) {
    text = std::regex_replace(text, std::regex(pattern), by);
}

/// Only the names of variables, and the one value that says which manager made the container.
std::string names_only(std::string_view environment) {
    std::string out;
    while (!environment.empty()) {
        const auto end = std::min(environment.find('\0'), environment.size());
        const auto one = environment.substr(0, end);
        environment.remove_prefix(std::min(end + 1, environment.size()));
        const auto equals = one.find('=');
        if (equals == one.npos) continue;
        out += one.starts_with("container=") ? one : one.substr(0, equals + 1);
        out += '\0';
    }
    return out;
}

/// The texts of an SMBIOS table become x, its numbers stay.
std::string without_texts(std::string table) {
    std::size_t at = 0;
    while (at + 4 <= table.size()) {
        const auto length = static_cast<unsigned char>(table[at + 1]);
        if (length < 4 || at + length > table.size()) break;
        at += length;
        while (at + 1 < table.size() && (table[at] != '\0' || table[at + 1] != '\0')) {
            if (table[at] != '\0') table[at] = 'x';
            ++at;
        }
        at += 2;
    }
    table.resize(std::min(at, table.size()));
    return table;
}

}  // namespace

std::string scrubbed(std::string_view path, std::string text, std::string_view host) {
    if (ends_with_any(path, {"serial", "_uuid", "wwid", "nguid", "eui", "unique_id", "/address"})) return {};
    if (path == "/etc/machine-id") return "00000000000000000000000000000000\n";
    if (path == "/etc/hosts") return "127.0.0.1 localhost\n";
    if (path.ends_with("/hostname")) return "host\n";
    if (path.ends_with("/environ")) return names_only(text);
    if (path.ends_with("/tables/DMI")) return without_texts(std::move(text));
    if (path == "/etc/resolv.conf") {
        replace_all(text, "nameserver[ \t]+[^\n]*", "nameserver 192.0.2.53");
        replace_all(text, "(^|\n)(search|domain)[^\n]*", "$1");
    }
    if (path == "/proc/stat") {
        std::smatch found;
        return std::regex_search(text, found, std::regex("btime [0-9]+\n")) ? found.str() : std::string();
    }
    replace_all(text, "(Serial[ \t]*:)[^\n]*", "$1 0");
    replace_all(text, "([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", "02:00:00:00:00:01");
    replace_all(text, "[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", "00000000-0000-0000-0000-000000000000");
    replace_all(text, "[0-9a-f]{64}", "c0ffee");
    if (path.ends_with("/mountinfo") || path.ends_with("/cmdline") || path.ends_with("/cgroup")) {
        replace_all(text, "([0-9]{1,3}\\.){3}[0-9]{1,3}", "192.0.2.1");
        replace_all(text, "/home/[^/ \n]+", "/home/user");
    }
    if (host.size() >= 3)
        for (std::size_t at = 0; (at = text.find(host, at)) != text.npos; at += 4)
            text.replace(at, host.size(), "host");
    return text;
}

}  // namespace machines
