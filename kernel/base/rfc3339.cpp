#include "kernel/base/rfc3339.hpp"

#include <charconv>
#include <chrono>

namespace sigrun {
namespace {

constexpr std::int64_t k_second_ns = 1'000'000'000, k_minute_ns = 60 * k_second_ns, k_hour_ns = 60 * k_minute_ns,
                       k_day_ns = 24 * k_hour_ns;

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t n) {
    if (text.size() < at + n) return std::nullopt;
    int value = 0;
    const char* end = text.data() + at + n;
    auto [stop, ec] = std::from_chars(text.data() + at, end, value);
    if (ec != std::errc{} || stop != end || value < 0) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
    auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2), hour = digits(text, 11, 2),
         minute = digits(text, 14, 2), second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second || text.size() < 20) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':')
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *year < 1970 || *year > 2261 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    std::int64_t ns = std::chrono::sys_days(date).time_since_epoch().count() * k_day_ns + *hour * k_hour_ns +
                      *minute * k_minute_ns + *second * k_second_ns;
    std::size_t at = 19;
    if (text[at] == '.') {
        std::int64_t unit = k_second_ns / 10;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
            ns += (text[at] - '0') * unit;
    }
    if (at >= text.size()) return std::nullopt;
    if ((text[at] == 'Z' || text[at] == 'z') && at + 1 == text.size()) return ns;
    auto zone_hour = digits(text, at + 1, 2), zone_minute = digits(text, at + 4, 2);
    if ((text[at] != '+' && text[at] != '-') || text.size() != at + 6 || text[at + 3] != ':' || !zone_hour ||
        !zone_minute)
        return std::nullopt;
    const std::int64_t shift = *zone_hour * k_hour_ns + *zone_minute * k_minute_ns;
    return text[at] == '+' ? ns - shift : ns + shift;
}

}  // namespace sigrun
