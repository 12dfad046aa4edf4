#include "declaration.hpp"

#include "schema.hpp"

#include <sigrun/cpp/fact_writer.hpp>

#include <charconv>
#include <chrono>

namespace sigrun::local {
namespace {

constexpr std::size_t k_max_key = 200;

bool custom_key(std::string_view key) noexcept {
    bool start = true;
    for (char c : key) {
        const bool word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!word && (c != '.' || start)) return false;
        start = c == '.';
    }
    return !start;
}

std::optional<int> number(std::string_view text) noexcept {
    int value = 0;
    for (char c : text)
        if (c < '0' || c > '9') return std::nullopt;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    return ec == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

std::string quoted(std::string_view text) {
    const bool cut = text.size() > 60;
    auto out = sdk::json_text(text.substr(0, 60));
    if (cut) out.insert(out.size() - 1, "...");
    return out;
}

std::string mistake::text() const {
    return (line ? "line " + std::to_string(line) + ": " : std::string()) + (field.empty() ? "" : field + ": ") +
           "expected " + expected + ", found " + found;
}

std::optional<std::int64_t> parse_time(std::string_view t) noexcept {
    if ((t.size() != 10 && t.size() != 20) || t[4] != '-' || t[7] != '-') return std::nullopt;
    const auto year = number(t.substr(0, 4)), month = number(t.substr(5, 2)), day = number(t.substr(8, 2));
    if (!year || !month || !day || *year < 1970) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok()) return std::nullopt;
    std::int64_t seconds = std::chrono::sys_days(date).time_since_epoch().count() * 86'400LL;
    if (t.size() == 10) return seconds;
    const auto hour = number(t.substr(11, 2)), minute = number(t.substr(14, 2)), second = number(t.substr(17, 2));
    if (t[10] != 'T' || t[13] != ':' || t[16] != ':' || t[19] != 'Z' || !hour || !minute || !second || *hour > 23 ||
        *minute > 59 || *second > 60)
        return std::nullopt;
    return seconds + *hour * 3600 + *minute * 60 + *second;
}

std::optional<mistake> check_key(std::string_view key) {
    if (key.starts_with("custom.facts_d"))
        return mistake{0, quoted(key), "another name: this one tells what became of the files", quoted(key)};
    if (key.starts_with("custom.")) {
        if (key.size() <= k_max_key && custom_key(key.substr(7))) return std::nullopt;
        return mistake{0, "key", "custom. and words of letters, digits, _ and - with points between", quoted(key)};
    }
    if (key_type(key) != 0) return std::nullopt;
    const auto near = nearest_key(key);
    return mistake{0, "key", near.empty() ? "custom.NAME or the name of a fact" : near + ", or custom.NAME",
                   quoted(key)};
}

}  // namespace sigrun::local
