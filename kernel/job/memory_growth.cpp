#include "kernel/job/memory_growth.hpp"

#include <sigrun/cpp/job_limits.hpp>

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

constexpr double k_most = 64;  // of all attempts together

std::uint64_t grown(std::uint64_t limit, double factor) noexcept {
    return static_cast<std::uint64_t>(
        std::llround(std::min(static_cast<double>(limit) * factor, static_cast<double>(sdk::k_largest_limit))));
}

}  // namespace

double memory_growth(const job& j) noexcept {
    double factor = 1;
    if (j.spec->memory_factor <= 1) return factor;
    for (const auto& a : j.attempts)
        if (a.why.cls == failure_class::resource && a.why.code == "oom") factor *= j.spec->memory_factor;
    return std::min(factor, k_most);
}

std::string with_more_memory(const std::string& document, double factor) {
    if (factor <= 1) return document;
    auto parsed = parse_object(document);
    sdk::job_limits limits;
    auto* given = parsed ? parsed->if_contains("limits") : nullptr;
    if (!given || sdk::read_job_limits(*given, limits) || !limits.memory) return document;
    given->as_object()["memory"] = grown(*limits.memory, factor);
    return json::serialize(*parsed);
}

bool could_have_grown(std::uint64_t limit, std::uint64_t now, double factor_each, std::uint32_t most) noexcept {
    if (!(factor_each >= 1 && factor_each <= k_largest_memory_factor)) return false;
    if (factor_each == 1) return limit == now;
    double factor = 1;
    for (std::uint32_t times = 0; times <= most; ++times, factor *= factor_each) {
        if (grown(limit, std::min(factor, k_most)) == now) return true;
        if (factor >= k_most) break;
    }
    return false;
}

}  // namespace sigrun
