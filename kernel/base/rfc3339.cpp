#include "kernel/base/rfc3339.hpp"

#include <charconv>
#include <chrono>

namespace sigrun {
namespace {

constexpr std::int64_t k_ns_of_second = 1'000'000'000;

std::optional<int> two_or_four_digits(std::string_view text, std::size_t at, std::size_t n) {
    if (text.size() < at + n) return std::nullopt;
    int value = 0;
    const char* end = text.data() + at + n;
    auto [stop, ec] = std::from_chars(text.data() + at, end, value);
    if (ec != std::errc{} || stop != end || value < 0) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
    auto number = [&](std::size_t at, std::size_t n) { return two_or_four_digits(text, at, n); };
    auto year = number(0, 4), month = number(5, 2), day = number(8, 2), hour = number(11, 2), minute = number(14, 2),
         second = number(17, 2);
    if (!year || !month || !day || !hour || !minute || !second || text.size() < 20) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':')
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *year < 1970 || *year > 2261 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    std::int64_t seconds = std::chrono::sys_days(date).time_since_epoch().count() * 86'400;
    seconds += *hour * 3'600 + *minute * 60 + *second;
    std::int64_t ns = 0;
    std::size_t at = 19;
    if (text[at] == '.') {
        std::int64_t unit = k_ns_of_second / 10;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
            ns += (text[at] - '0') * unit;
    }
    if (at >= text.size()) return std::nullopt;
    if ((text[at] == 'Z' || text[at] == 'z') && at + 1 == text.size()) return seconds * k_ns_of_second + ns;
    auto zone_hour = number(at + 1, 2), zone_minute = number(at + 4, 2);
    if ((text[at] != '+' && text[at] != '-') || text.size() != at + 6 || text[at + 3] != ':' || !zone_hour ||
        !zone_minute)
        return std::nullopt;
    const std::int64_t shift = *zone_hour * 3'600 + *zone_minute * 60;
    return (text[at] == '+' ? seconds - shift : seconds + shift) * k_ns_of_second + ns;
}

}  // namespace sigrun
