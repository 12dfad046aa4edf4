// Why no library: none of those at hand says in which line the mistake is.
#include "declaration.hpp"
#include "schema.hpp"

#include <sigrun/cpp/fact_writer.hpp>
#include <sigrun/cpp/procfs.hpp>

#include <set>

namespace sigrun::local {
namespace {

using sdk::trimmed;

std::optional<double> real(std::string_view text) noexcept {
    double value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
    return value;
}

std::string_view unquoted(std::string_view text) noexcept {
    return text.size() >= 2 && text.front() == '"' && text.back() == '"' ? text.substr(1, text.size() - 2) : text;
}

std::optional<std::string> list(std::string_view text) {
    std::vector<std::string> items;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const auto item = unquoted(trimmed(text.substr(0, comma)));
        text.remove_prefix(std::min(comma + 1, text.size()));
        if (item.empty() || item.size() > k_max_text) return std::nullopt;
        items.emplace_back(item);
    }
    return sdk::fact_value(std::move(items)).json();
}

/// The value as JSON, or nothing if it is not of the type.
std::optional<std::string> typed(char type, std::string_view text) {
    switch (type) {
        case 'b':
            if (text == "true" || text == "yes" || text == "on") return "true";
            if (text == "false" || text == "no" || text == "off") return "false";
            return std::nullopt;
        case 'u':
            if (const auto n = sdk::parse_u64(text)) return std::to_string(*n);
            return std::nullopt;
        case 'i':
            if (const auto n = sdk::parse_i64(text)) return std::to_string(*n);
            return std::nullopt;
        case 'f':
            if (const auto n = real(text)) return sdk::fact_value(*n).json();
            return std::nullopt;
        case 'S': return list(text);
        case 'L': return std::nullopt;
        default:
            text = unquoted(text);
            if (text.empty() || text.size() > k_max_text) return std::nullopt;
            return sdk::json_text(text);
    }
}

/// What was written means: true, a number, else a text; quotes make everything a text.
std::optional<std::string> guessed(std::string_view text) {
    if (text == "true" || text == "false") return std::string(text);
    if (const auto n = sdk::parse_i64(text)) return std::to_string(*n);
    if (const auto n = real(text)) return sdk::fact_value(*n).json();
    return typed('s', text);
}

}  // namespace

declared_file parse_ini(std::string_view rest) {
    declared_file out;
    std::string section;
    std::set<std::string> seen;
    std::size_t number = 0;
    const auto refuse = [&](mistake m) {
        m.line = number;
        out = {};
        out.wrong = std::move(m);
        return out;
    };
    std::string_view line;
    while (sdk::next_line(rest, line)) {
        ++number;
        line = trimmed(line);
        if (line.empty() || line.front() == ';' || line.front() == '#') continue;
        if (line.front() == '[') {
            if (line.back() != ']' || trimmed(line.substr(1, line.size() - 2)).empty())
                return refuse({0, "section", "[NAME]", quoted(line)});
            section = std::string(trimmed(line.substr(1, line.size() - 2))) + ".";
            continue;
        }
        const auto equals = line.find('=');
        if (equals == line.npos || trimmed(line.substr(0, equals)).empty())
            return refuse({0, "", "key = value, [section] or a comment", quoted(line)});
        const auto name = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
        if (section.empty() && name == "expires") {
            out.expires_s = parse_time(unquoted(value));
            if (!out.expires_s)
                return refuse({0, "expires", "a time such as 2027-01-31 or 2027-01-31T12:00:00Z", quoted(value)});
            continue;
        }
        const std::string key = section + std::string(name);
        if (auto wrong = check_key(key)) return refuse(std::move(*wrong));
        if (!seen.insert(key).second) return refuse({0, key, "each key once", "it twice"});
        if (out.facts.size() >= k_max_facts_of_file)
            return refuse({0, "", "at most " + std::to_string(k_max_facts_of_file) + " facts", "more"});
        const char type = key_type(key);
        auto json = type ? typed(type, value) : guessed(value);
        if (!json) return refuse({0, key, std::string(type_name(type)), quoted(value)});
        out.facts.push_back({key, std::move(*json)});
    }
    return out;
}

}  // namespace sigrun::local
