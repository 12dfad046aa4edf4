#include "kernel/serve/history_reading.hpp"

#include "kernel/metrics/series_ring.hpp"

namespace sigrun {
namespace {

constexpr std::array<std::string_view, k_history_own> k_own{
    "jobs.submitted", "jobs.succeeded", "jobs.failed",      "jobs.cancelled",      "jobs.expired",
    "jobs.dead",      "jobs.retries",   "jobs.waiting",     "jobs.under_way",      "runners.offline",
    "runners.online", "runners.busy",   "runners.draining", "runners.maintenance", "runners.error",
    "jobs.total_p50", "jobs.total_p95", "jobs.total_p99",   "selection.p50",       "selection.p99"};
constexpr std::array<std::string_view, k_history_per_protocol> k_of_protocol{"bytes_in",   "bytes_out",  "calls",
                                                                             "answer_p50", "answer_p95", "answer_p99"};

float seconds(double ns) noexcept { return ns < 0 ? series_ring::none() : static_cast<float>(ns * 1e-9); }

float pick_quantile(const pick_time_counts& before, const pick_time_counts& now, double share) {
    pick_time_counts since;
    for (std::size_t i = 0; i < since.in.size(); ++i) since.in[i] = now.in[i] - before.in[i];
    if (!since.total()) return series_ring::none();
    const auto ns = since.quantile_ns(share);
    return seconds(ns < 0 ? pick_time_counts::bounds.back() : ns);
}

}  // namespace

std::vector<std::string> history_names(std::span<const std::string> protocols) {
    std::vector<std::string> out(k_own.begin(), k_own.end());
    for (std::size_t i = 0; i < protocols.size() && i < history_reading::k_protocols; ++i)
        for (const auto each : k_of_protocol) out.push_back("protocols." + protocols[i] + "." + std::string(each));
    return out;
}

std::array<float, k_history_series> history_row(const history_reading& before, const history_reading& now) {
    std::array<float, k_history_series> out{};
    std::size_t next = 0;
    const auto put = [&](double value) { out[next++] = static_cast<float>(value); };
    const double span = std::chrono::duration<double>(now.at - before.at).count();
    const auto rate = [&](std::uint64_t from, std::uint64_t to) {
        put(span > 0 && to >= from ? static_cast<double>(to - from) / span : 0);
    };
    const auto quantiles = [&](const latency_snapshot& from, const latency_snapshot& to) {
        const auto since = to.since(from);
        for (const double share : {0.5, 0.95, 0.99}) out[next++] = seconds(since.quantile_ns(share));
    };
    rate(before.jobs.submitted, now.jobs.submitted);
    for (std::size_t i = 0; i < now.jobs.ended.size(); ++i) rate(before.jobs.ended[i], now.jobs.ended[i]);
    rate(before.jobs.retries, now.jobs.retries);
    put(static_cast<double>(now.waiting));
    put(static_cast<double>(now.under_way));
    for (const auto n : now.runners) put(static_cast<double>(n));
    quantiles(before.jobs.total, now.jobs.total);
    out[next++] = pick_quantile(before.picks, now.picks, 0.5);
    out[next++] = pick_quantile(before.picks, now.picks, 0.99);
    for (std::size_t i = 0; i < history_reading::k_protocols; ++i) {
        const auto& from = before.protocols[i];
        const auto& to = now.protocols[i];
        rate(from.bytes_in, to.bytes_in);
        rate(from.bytes_out, to.bytes_out);
        rate(from.calls, to.calls);
        quantiles(from.answers, to.answers);
    }
    return out;
}

}  // namespace sigrun
