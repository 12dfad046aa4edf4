#include "result_sheet.hpp"

#include "noise.hpp"

#include <cstdio>

namespace sigrun::benchmark {
namespace {

constexpr unsigned k_sure = 90, k_unsure = 40;  // of 100: a measurement is one of several that could have been made
constexpr std::uint32_t k_day = 24 * 3600, k_soon = 600;

std::string percent(double share) {
    char room[32];
    std::snprintf(room, sizeof room, "%.1f %%", share * 100);
    return room;
}

}  // namespace

bool result_sheet::noisy() const noexcept { return !noise_ || *noise_ > k_noisy; }

void result_sheet::median(std::string_view key, const std::vector<double>& rounds, double scale, milliseconds limit,
                          about what, bool whole) {
    const auto all = summarize(rounds);
    if (!all) return cut_off(key, what.source, limit);
    what.detail =
        sdk::concat("median of ", all->rounds, ", CV ", percent(all->cv), what.detail.empty() ? "" : "; ", what.detail);
    const double result = all->median * scale;
    if (whole)
        value(key, static_cast<std::uint64_t>(std::llround(result)), all->cv, what);
    else
        value(key, result, all->cv, what);
}

void result_sheet::value(std::string_view key, const sdk::fact_value& value, double cv, const about& what) {
    const bool doubtful = noisy() || cv > k_noisy;
    std::string detail = what.detail;
    if (noisy())
        detail += noise_ ? "; disturbed (noise " + percent(*noise_) + "): a quiet machine is faster"
                         : std::string("; how disturbed is not known");
    else if (doubtful)
        detail += "; the rounds differ much";
    run_.facts().ok(key, value,
                    {.source = what.source,
                     .method = what.method,
                     .volatility = "slow",
                     .ttl_s = noisy() ? k_soon : k_day,
                     .confidence = doubtful ? k_unsure : k_sure,
                     .detail = detail});
}

void result_sheet::none(std::string_view key, std::string_view status, std::string_view source, std::string_view why) {
    run_.facts().none(key, status, {.source = source, .method = "measured", .volatility = "slow", .detail = why});
}

void result_sheet::cut_off(std::string_view key, std::string_view source, milliseconds limit) {
    none(key, "timeout", source, sdk::concat("not done within its ", limit.count(), " ms"));
}

}  // namespace sigrun::benchmark
