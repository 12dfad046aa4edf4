#include "kernel/config/ini_scan.hpp"

#include <set>

namespace sigrun {
namespace {

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r'; }
bool is_lower(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; }
bool is_name_char(char c) noexcept {
    return is_lower(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == ':' || c == '@' || c == '/' || c == '+';
}

template <class Predicate>
bool all_of(std::string_view text, std::size_t limit, Predicate allowed) noexcept {
    if (text.empty() || text.size() > limit) return false;
    for (char c : text)
        if (!allowed(c)) return false;
    return true;
}

// A sample of outside text that is safe to show in a message.
std::string shown(std::string_view text) {
    std::string out = "\"";
    for (char c : text.substr(0, 80)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    return out + (text.size() > 80 ? "...\"" : "\"");
}

std::string_view without_comment(std::string_view value) noexcept {
    for (std::size_t i = 0; i < value.size(); ++i)
        if (value[i] == ';' && (i == 0 || is_blank(value[i - 1]))) return value.substr(0, i);
    return value;
}

}  // namespace

std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

result<std::string> section_name(std::string_view written, std::string_view where) {
    std::string_view rest = trimmed(written);
    std::size_t n = 0;
    while (n < rest.size() && !is_blank(rest[n])) ++n;
    std::string_view kind = rest.substr(0, n);
    std::string_view name = trimmed(rest.substr(n));
    if (!all_of(kind, 64, is_lower) || (!name.empty() && !all_of(name, 128, is_name_char)))
        return bad_value(std::string(where), "a section such as [server] or [instance http-main]", shown(written));
    return name.empty() ? std::string(kind) : std::string(kind) + " " + std::string(name);
}

result<std::string> key_name(std::string_view written, std::string_view where) {
    std::string_view key = trimmed(written);
    if (!all_of(key, 64, is_lower))
        return bad_value(std::string(where), "a key of lower-case letters, digits, _ and -", shown(written));
    return std::string(key);
}

result<void> check_value(std::string_view value, std::string_view where) {
    if (value.size() > k_max_value_bytes)
        return bad_value(std::string(where), "a value of at most 64 KiB", std::to_string(value.size()) + " bytes");
    for (char c : value)
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
            return bad_value(std::string(where), "a value without control characters", shown(value));
    return {};
}

result<scanned_ini> scan_ini(std::string_view text, std::string_view file_name) {
    if (text.size() > k_max_ini_bytes)
        return bad_value(std::string(file_name), "at most 1 MiB", std::to_string(text.size()) + " bytes");
    if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);

    scanned_ini out;
    std::set<std::string, std::less<>> section_names, keys;
    std::size_t number = 0;
    while (!text.empty()) {
        ++number;
        std::size_t end = text.find('\n');
        std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.empty() || line[0] == ';' || line[0] == '#') continue;
        const std::string where = std::string(file_name) + ":" + std::to_string(number);

        if (line[0] == '[') {
            std::size_t close = line.find(']');
            std::string_view after = close == std::string_view::npos ? "" : trimmed(line.substr(close + 1));
            if (close == std::string_view::npos || (!after.empty() && after[0] != ';' && after[0] != '#'))
                return bad_value(where, "a section such as [server] alone on its line", shown(line));
            SIGRUN_TRY(name, section_name(line.substr(1, close - 1), where));
            if (!section_names.insert(lower_case(name)).second)
                return bad_value(where, "each section once per file", "[" + name + "] again");
            out.clean_text += "[" + name + "]\n";
            out.sections.push_back({name, number, {}});
            keys.clear();
            continue;
        }
        std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) return bad_value(where, "[section] or key = value", shown(line));
        if (out.sections.empty()) return bad_value(where, "a [section] before the first key", shown(line));
        SIGRUN_TRY(key, key_name(line.substr(0, equals), where));
        std::string_view value = trimmed(without_comment(line.substr(equals + 1)));
        SIGRUN_CHECK_OK(check_value(value, where));
        if (!keys.insert(key).second)
            return bad_value(where, "each key once per section", key + " again in [" + out.sections.back().name + "]");
        out.clean_text += key + " = " + std::string(value) + "\n";
        out.sections.back().keys.push_back({key, number});
    }
    return out;
}

}  // namespace sigrun
