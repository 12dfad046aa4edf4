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

bool could_have_grown(std::uint64_t limit, std::uint64_t now, double factor_each) noexcept {
    if (!(factor_each > 1)) return limit == now;
    for (double factor = 1; factor < k_most; factor *= factor_each)
        if (grown(limit, factor) == now) return true;
    return grown(limit, k_most) == now;
}

}  // namespace sigrun
