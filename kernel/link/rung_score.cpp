#include "kernel/link/rung_score.hpp"

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

using std::chrono::microseconds;
constexpr nanoseconds k_tie = microseconds(5);
constexpr double k_fade_samples = 10;

constexpr std::array<strategy_rule, 5> k_strategies{{
    {"valkyrie_first", "valkyrie"},
    {"http_first", "http"},
    {"performance", ""},
    {"adaptive", ""},
    {"round_robin", ""},
}};
constexpr std::array<std::string_view, 4> k_urgent{"valkyrie", "grpc", "websocket", "http"};
constexpr std::array<std::string_view, 4> k_relaxed{"http", "valkyrie", "grpc", "websocket"};

double tier_factor(nanoseconds latency) {
    if (latency.count() == 0) return 1;
    if (latency < microseconds(10)) return 1;
    if (latency < microseconds(100)) return 0.95;
    return latency < microseconds(1000) ? 0.9 : 0.85;
}

bool enough(const rung_rules& rules, const rung_view& r) { return r.latency.count() && r.samples >= rules.min_samples; }

std::size_t place_in(const std::vector<std::uint8_t>& ladder, std::uint8_t protocol) {
    const auto at = std::find(ladder.begin(), ladder.end(), protocol);
    return at == ladder.end() ? 256u + protocol : static_cast<std::size_t>(at - ladder.begin());
}

// One rung with what it is sorted by.
struct entry {
    rung_view rung;
    double score = 0;
    bool measured = false;
    std::size_t place = 0;
};

}  // namespace

std::span<const strategy_rule> rung_strategies() noexcept { return k_strategies; }
std::span<const std::string_view> prior_ladder(bool urgent) noexcept { return urgent ? k_urgent : k_relaxed; }

double default_protocol_weight(std::string_view protocol) noexcept {
    if (protocol == "valkyrie") return 1.2;
    if (protocol == "grpc") return 1.1;
    return protocol == "websocket" ? 0.9 : 1.0;
}

std::string_view to_string(rung_why why) noexcept {
    switch (why) {
        case rung_why::only: return "the only usable protocol";
        case rung_why::named: return "named by the job";
        case rung_why::first: return "the strategy puts it first";
        case rung_why::score: return "the best score";
        case rung_why::prior: return "first of the ladder, little is measured yet";
        case rung_why::kept: return "in use, and no other is clearly better";
        case rung_why::preferred: return "preferred by the job";
        case rung_why::rotation: return "its turn";
        case rung_why::operators: return "an operator moved the runner there";
        case rung_why::other_masked: return "better ones do not suit the job";
    }
    return "chosen";
}

double rung_score(const rung_rules& rules, const rung_view& rung, std::span<const rung_view> usable, bool bulky) {
    nanoseconds lowest{0};
    double fastest = 0;
    for (const auto& r : usable) {
        if (r.latency.count() && (!lowest.count() || r.latency < lowest)) lowest = r.latency;
        fastest = std::max(fastest, r.bytes_per_s);
    }
    const double weight = rung.protocol < rules.protocol_weights.size() && rules.protocol_weights[rung.protocol] > 0
                              ? rules.protocol_weights[rung.protocol]
                              : 1.0;
    double score = 1 + (weight - 1) * std::max(0.0, 1 - rung.samples / k_fade_samples);
    score *= std::pow(tier_factor(rung.latency), rules.performance_weight / 0.4);
    score *= std::pow(rung.success, 2 * rules.reliability_weight / 0.3);
    if (rung.latency.count() && rung.latency - lowest >= k_tie)
        score *= std::pow(static_cast<double>(lowest.count()) / static_cast<double>(rung.latency.count()),
                          rules.latency_weight / 0.2);
    // A rung that has carried nothing yet is not slow, it is unknown.
    if (bulky && fastest > 0 && rung.bytes_per_s > 0)
        score *= std::pow(rung.bytes_per_s / fastest, rules.throughput_weight / 0.1);
    if (rung.protocol == rules.preferred) score *= 1 + rules.preferred_bias;
    return score;
}

rung_order rank_rungs(const rung_rules& rules, std::span<const rung_view> usable, bool urgent, bool bulky,
                      const rung_before& before, time_point now) {
    std::array<entry, k_max_rungs> all{};
    const auto n = std::min(usable.size(), k_max_rungs);
    std::size_t measured = 0;
    const auto& ladder = urgent ? rules.urgent : rules.relaxed;
    for (std::size_t i = 0; i < n; ++i) {
        all[i] = {usable[i], rung_score(rules, usable[i], usable, bulky), enough(rules, usable[i]),
                  place_in(ladder, usable[i].protocol)};
        measured += all[i].measured;
    }
    // Whose turn it is counts places: an order that followed what is measured would skip one and repeat another.
    const bool by_score = measured >= 2 && !rules.rotate;
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(n);
    std::sort(all.begin(), end, [&](const entry& a, const entry& b) {
        if (a.rung.held != b.rung.held) return b.rung.held;
        if ((a.rung.protocol == rules.first) != (b.rung.protocol == rules.first)) return a.rung.protocol == rules.first;
        if (by_score && a.measured != b.measured) return a.measured;
        if (by_score && a.measured && a.score != b.score) return a.score > b.score;
        if (!by_score && (a.rung.protocol == rules.preferred) != (b.rung.protocol == rules.preferred))
            return a.rung.protocol == rules.preferred;
        return a.place < b.place;
    });
    rung_order out;
    if (n == 0) return out;
    out.why = n == 1                                ? rung_why::only
              : all[0].rung.protocol == rules.first ? rung_why::first
              : by_score && all[0].measured         ? rung_why::score
                                                    : rung_why::prior;
    // Hysteresis: what is in use stays unless the new one is clearly better, and has been so for a while.
    const auto current =
        std::find_if(all.begin(), end, [&](const entry& e) { return e.rung.protocol == before.protocol; });
    if (current != all.begin() && current != end && !current->rung.held && out.why == rung_why::score &&
        current->measured && current->rung.protocol != rules.first &&
        (all[0].score < (1 + rules.threshold) * current->score || now - before.since < rules.dwell)) {
        std::rotate(all.begin(), current, current + 1);
        out.why = rung_why::kept;
    }
    out.size = static_cast<std::uint8_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
        out.protocol[i] = all[i].rung.protocol;
        out.score[i] = all[i].measured ? static_cast<float>(all[i].score) : 0;
    }
    return out;
}

}  // namespace sigrun
