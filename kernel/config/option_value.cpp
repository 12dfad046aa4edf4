#include "kernel/config/option_value.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/config/ini_scan.hpp"

#include <sigrun/cpp/text.hpp>

#include <charconv>
#include <cmath>

namespace sigrun {
namespace {

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> items;
    while (true) {
        std::size_t comma = text.find(',');
        items.push_back(trimmed(text.substr(0, comma)));
        if (comma == std::string_view::npos) return items;
        text.remove_prefix(comma + 1);
    }
}

// Items of a value somebody wrote: "\\," is a comma that belongs to the item.
std::vector<std::string> split_items(std::string_view text) {
    std::vector<std::string> items(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
            items.back() += ',';
            ++i;
        } else if (text[i] == ',') {
            items.emplace_back();
        } else {
            items.back() += text[i];
        }
    }
    for (auto& item : items) item = std::string(trimmed(item));
    return items;
}

std::string limit_text(const sigrun_opt& option, double value) {
    if (option.type == SIGRUN_OPT_DURATION) return format_duration(nanoseconds(static_cast<std::int64_t>(value)));
    if (option.type == SIGRUN_OPT_SIZE && value >= 0) return format_size(static_cast<std::uint64_t>(value));
    // 100000, not 1e+05.
    constexpr double k_whole = 1e15;
    if (std::abs(value) < k_whole && std::floor(value) == value) return sdk::concat(static_cast<std::int64_t>(value));
    return sdk::concat(value);
}

template <class Number>
bool parse_number(std::string_view text, Number& out) noexcept {
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
    return ec == std::errc() && end == text.data() + text.size();
}

bool is_uri(std::string_view text) noexcept {
    std::size_t colon = text.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == text.size()) return false;
    for (std::size_t i = 0; i < colon; ++i) {
        char c = text[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool later = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && !(later && i > 0)) return false;
    }
    return text.find_first_of(" \t") == std::string_view::npos;
}

result<void> check_choice(const sigrun_opt& option, std::string_view text) {
    std::string_view choices = sdk::view(option.choices);
    if (choices.empty()) return {};
    for (std::string_view choice : split(choices))
        if (choice == text) return {};
    return bad_value("", "one of " + std::string(choices), quoted(text));
}

result<option_item> parse_item(const sigrun_opt& option, std::string_view text) {
    option_item item{std::string(text)};
    bool number = true;
    switch (option.type) {
        case SIGRUN_OPT_BOOL: {
            SIGRUN_TRY(value, parse_bool(text));
            item.integer = value ? 1 : 0;
            item.real = static_cast<double>(item.integer);
            return item;
        }
        case SIGRUN_OPT_INT:
            if (!parse_number(text, item.integer)) return bad_value("", "a whole number", quoted(text));
            item.real = static_cast<double>(item.integer);
            break;
        case SIGRUN_OPT_FLOAT:
            if (!parse_number(text, item.real) || !std::isfinite(item.real))
                return bad_value("", "a number", quoted(text));
            item.integer = std::fabs(item.real) < 9.2e18 ? static_cast<std::int64_t>(item.real) : 0;
            break;
        case SIGRUN_OPT_SIZE: {
            SIGRUN_TRY(value, parse_size(text));
            item.integer = static_cast<std::int64_t>(value);
            item.real = static_cast<double>(value);
            break;
        }
        case SIGRUN_OPT_DURATION: {
            SIGRUN_TRY(value, parse_duration(text));
            item.integer = value.count();
            item.real = static_cast<double>(item.integer);
            break;
        }
        case SIGRUN_OPT_URI:
            if (!is_uri(text)) return bad_value("", "a URI such as scheme://host:port", quoted(text));
            number = false;
            break;
        case SIGRUN_OPT_CHOICE:
        case SIGRUN_OPT_LIST:
            SIGRUN_CHECK_OK(check_choice(option, text));
            number = false;
            break;
        case SIGRUN_OPT_STRING:
        case SIGRUN_OPT_PATH:
        case SIGRUN_OPT_SECRET: number = false; break;
        default: return bad_value("", "an option type this host knows", "type " + std::to_string(option.type));
    }
    bool limited = option.min != 0 || option.max != 0;
    if (number && limited && (item.real < option.min || item.real > option.max))
        return bad_value("", option_limits(option), quoted(text));
    return item;
}

}  // namespace

bool is_list(const sigrun_opt& option) noexcept {
    return option.type == SIGRUN_OPT_LIST || (option.flags & SIGRUN_OPT_REPEATABLE) != 0;
}

result<std::vector<option_item>> parse_option(const sigrun_opt& option, std::string_view text) {
    std::vector<option_item> items;
    text = trimmed(text);
    if (text.empty()) return items;
    if (!is_list(option)) {
        SIGRUN_TRY(item, parse_item(option, text));
        items.push_back(std::move(item));
        return items;
    }
    for (const std::string& part : split_items(text)) {
        if (part.empty()) return bad_value("", "items separated by single commas", quoted(text));
        SIGRUN_TRY(item, parse_item(option, part));
        items.push_back(std::move(item));
    }
    return items;
}

std::string option_type_name(const sigrun_opt& option) {
    std::string name;
    switch (option.type) {
        case SIGRUN_OPT_BOOL: name = "yes/no"; break;
        case SIGRUN_OPT_INT: name = "integer"; break;
        case SIGRUN_OPT_FLOAT: name = "number"; break;
        case SIGRUN_OPT_SIZE: name = "size"; break;
        case SIGRUN_OPT_DURATION: name = "duration"; break;
        case SIGRUN_OPT_STRING: name = "text"; break;
        case SIGRUN_OPT_CHOICE: name = "choice"; break;
        case SIGRUN_OPT_LIST: return "list";
        case SIGRUN_OPT_URI: name = "URI"; break;
        case SIGRUN_OPT_PATH: name = "path"; break;
        case SIGRUN_OPT_SECRET: name = "secret"; break;
        default: name = "type " + std::to_string(option.type);
    }
    return option.flags & SIGRUN_OPT_REPEATABLE ? "list of " + name : name;
}

std::string option_limits(const sigrun_opt& option) {
    if (option.choices.len) {
        std::string out;
        for (std::string_view choice : split(sdk::view(option.choices))) {
            if (!out.empty()) out += '|';
            out += choice;
        }
        return out;
    }
    if (option.min == 0 && option.max == 0) return "";
    std::string out = limit_text(option, option.min) + " .. " + limit_text(option, option.max);
    return option.unit.len ? out + " " + std::string(sdk::view(option.unit)) : out;
}

}  // namespace sigrun
