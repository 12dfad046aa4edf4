#include "kernel/job/memory_growth.hpp"

#include <sigrun/cpp/job_limits.hpp>

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

constexpr double k_most = 64;  // of all attempts together

}  // namespace

double memory_growth(const job& j) noexcept {
    double factor = 1;
    if (j.spec->memory_factor <= 1) return factor;
    for (const auto& a : j.attempts)
        if (a.why.cls == failure_class::resource && a.why.code == "oom") factor *= j.spec->memory_factor;
    return std::min(factor, k_most);
}

std::string with_more_memory(const job_spec& spec, double factor) {
    if (factor <= 1) return spec.document;
    auto document = parse_object(spec.document);
    sdk::job_limits limits;
    auto* given = document ? document->if_contains("limits") : nullptr;
    if (!given || sdk::read_job_limits(*given, limits) || !limits.memory) return spec.document;
    const auto grown =
        std::min(static_cast<double>(*limits.memory) * factor, static_cast<double>(sdk::k_largest_limit));
    given->as_object()["memory"] = static_cast<std::uint64_t>(std::llround(grown));
    return json::serialize(*document);
}

}  // namespace sigrun
