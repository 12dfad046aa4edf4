#include "rustci/retry_after.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>

namespace sigrun::http::rustci {
namespace {
constexpr std::int64_t k_longest = 600;
}

std::optional<std::chrono::seconds> read_retry_after(std::string_view value, std::time_t now) {
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    if (error == std::errc() && end == value.data() + value.size() && n >= 0)
        return std::chrono::seconds(std::min(n, k_longest));
    // "Sun, 06 Nov 1994 08:49:37 GMT"; month names as strptime would read them in the C locale only
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    std::tm t{};
    char month[4] = {};
    const std::string text(value.substr(0, 64));
    if (std::sscanf(text.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &t.tm_mday, month, &t.tm_year, &t.tm_hour,
                    &t.tm_min, &t.tm_sec) != 6)
        return std::nullopt;
    const auto at = months.find(std::string_view(month));
    if (at == std::string_view::npos || at % 3) return std::nullopt;
    t.tm_mon = static_cast<int>(at / 3);
    t.tm_year -= 1900;
    const std::int64_t wait = timegm(&t) - now;
    return std::chrono::seconds(std::clamp<std::int64_t>(wait, 0, k_longest));
}

}  // namespace sigrun::http::rustci
