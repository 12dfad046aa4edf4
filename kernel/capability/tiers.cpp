#include "kernel/capability/tiers.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>

namespace sigrun {
namespace {

constexpr std::string_view k_prefix = "tier.";
constexpr double k_margin = 1.1;
constexpr std::uint8_t k_doubtful = 50;       // below: the probe doubts its figure
constexpr std::uint32_t k_ttl_s = 24 * 3600;  // of what was measured

constexpr double GiB = 1024.0 * 1024 * 1024, GB = 1e9, us = 1, ms = 1e3, s = 1e6, bit_per_s = 1, byte_per_s = 8;
constexpr std::nullopt_t any = std::nullopt;

using axis = tier_axis;
constexpr bool at_least = false, at_most = true, a_limit = false, measured = true;

// The gates. Columns: standard, high, ultra.
constexpr tier_gate k_gates[] = {
    {axis::cpu, "cpu.effective_cores", at_least, a_limit, {2, 8, 32}},
    {axis::cpu, "perf.single_int", at_least, measured, {0.5, 0.8, 1.0}},
    {axis::cpu, "perf.noise_ratio", at_most, measured, {any, any, 0.05}},
    {axis::memory, "memory.effective_bytes", at_least, a_limit, {4 * GiB, 16 * GiB, 64 * GiB}},
    {axis::memory,
     "perf.mem_triad_bps",
     at_least,
     measured,
     {8 * GB * byte_per_s, 20 * GB* byte_per_s, 80 * GB* byte_per_s}},
    {axis::storage, "work.available_bytes", at_least, a_limit, {20 * GB, 100 * GB, 500 * GB}},
    {axis::storage, "perf.fsync_p50_us", at_most, measured, {20 * ms, 5 * ms, 1 * ms}},
    {axis::storage, "perf.disk_rand_iops", at_least, measured, {any, any, 50'000}},
    {axis::network, "net.controller_rtt_us", at_most, measured, {50 * ms, 10 * ms, 1 * ms}},
    {axis::network,
     "net.controller_up_bps",
     at_least,
     measured,
     {50e6 * bit_per_s, 500e6 * bit_per_s, 5e9 * bit_per_s}},
    {axis::network,
     "net.controller_down_bps",
     at_least,
     measured,
     {50e6 * bit_per_s, 500e6 * bit_per_s, 5e9 * bit_per_s}},
};

// What stands for a whole axis in tier.score, and what the baseline machine has of it (plugins/probes/benchmark/README.md). The
// way to a controller is not a property of the machine.
struct measure {
    axis of;
    std::string_view key;
    bool less_is_better;
    double baseline;
};
constexpr measure k_measures[] = {
    {axis::cpu, "perf.all_int", false, 2.0},
    {axis::memory, "perf.mem_triad_bps", false, 30 * GB* byte_per_s},
    {axis::storage, "perf.fsync_p50_us", true, 200 * us},
};

bool has_value(const fact& f) { return f.status == fact_status::ok || f.status == fact_status::stale; }

std::optional<double> number_of(const fact* f) {
    if (!f || !has_value(*f) || !f->value.is_number()) return std::nullopt;
    return f->value.to_number<double>();
}

machine_tier step(machine_tier t, int by) {
    return static_cast<machine_tier>(std::clamp(static_cast<int>(t) + by, 0, static_cast<int>(machine_tier::ultra)));
}

/// The highest tier that `value` is enough for; every one below it, too.
machine_tier reached(const tier_gate& gate, double value) {
    auto tier = machine_tier::basic;
    for (const auto& need : gate.needs) {
        if (need && (gate.at_most ? value > *need : value < *need)) break;
        tier = step(tier, 1);
    }
    return tier;
}

/// What it is at least, whatever the figure.
machine_tier without(const tier_gate& gate) {
    auto tier = machine_tier::basic;
    for (std::size_t i = 0; i < gate.needs.size() && !gate.needs[i]; ++i) tier = step(tier, 1);
    return tier;
}

std::string round_number(double value) {
    char room[32];
    std::snprintf(room, sizeof room, "%.3g", value);
    return room;
}

/// As people say it: "31.2 GB/s", "4.2 ms", "16.0 GiB".
std::string spoken(std::string_view key, double value) {
    if (key == "perf.mem_triad_bps") return round_number(value / byte_per_s / GB) + " GB/s";
    if (key.starts_with("net.") && key.ends_with("_bps")) return round_number(value / 1e6) + " Mb/s";
    if (key == "memory.effective_bytes") return round_number(value / GiB) + " GiB";
    if (key.ends_with("_bytes")) return round_number(value / GB) + " GB";
    if (key.ends_with("_us")) return value < ms ? round_number(value) + " us" : round_number(value / ms) + " ms";
    if (key.ends_with("_iops")) return round_number(value) + " IOPS";
    return round_number(value);
}

std::string why_missing(std::string_view key, const fact* f) {
    if (number_of(f)) return sdk::concat(key, " was measured on a disturbed machine: it may be better");
    if (!f)
        return sdk::concat(key,
                           key.starts_with("perf.") || key.starts_with("net.") ? " is not measured" : " is not known");
    return sdk::concat(key, ": ", to_string(f->status), f->detail.empty() ? "" : " (", f->detail,
                       f->detail.empty() ? "" : ")");
}

/// Matching takes absent and unsupported for a known no. A tier that cannot be told is none.
fact_status unknown(const fact* f) {
    return f && (f->status == fact_status::denied || f->status == fact_status::timeout) ? f->status
                                                                                        : fact_status::error;
}

axis_tier judge(axis which, const fact_lookup& find) {
    axis_tier out;
    auto most = machine_tier::ultra, least = machine_tier::ultra;
    out.sure = machine_tier::ultra;
    const tier_gate* missing = nullptr;  // of all that are not known the one that could be lowest
    auto missing_least = machine_tier::ultra;
    const auto not_known = [&](const tier_gate& gate, machine_tier floor) {
        if (!missing || floor < missing_least) {
            missing = &gate;
            missing_least = floor;
        }
        least = std::min(least, floor);
    };
    for (const auto& gate : k_gates) {
        if (gate.axis != which) continue;
        out.source += (out.source.empty() ? "" : " ") + std::string(gate.key);
        const fact* f = find(gate.key);
        const auto value = number_of(f);
        if (!value) {
            not_known(gate, without(gate));
            continue;
        }
        out.confidence = std::min(out.confidence, f->confidence);
        out.observed_ns = std::max(out.observed_ns, f->observed_ns);
        const auto tier = reached(gate, *value);
        // A machine that was disturbed can do this at least; what else it can nobody knows.
        if (gate.measured && f->confidence < k_doubtful) {
            not_known(gate, tier);
        } else if (tier < most) {
            most = tier;
            out.limit = &gate;
        }
        const double spared = !gate.measured ? *value : gate.at_most ? *value * k_margin : *value / k_margin;
        out.sure = std::min(out.sure, reached(gate, spared));
    }
    if (std::min(least, most) < most) {
        const fact* f = find(missing->key);
        out.status = unknown(f);
        out.detail = why_missing(missing->key, f);
        out.limit = nullptr;
        return out;
    }
    out.tier = most;
    if (out.limit) {
        const auto next = step(most, 1);
        const auto need = out.limit->needs[static_cast<std::size_t>(most)];
        out.detail = sdk::concat(out.limit->key, " is ", spoken(out.limit->key, *number_of(find(out.limit->key))), ", ",
                                 to_string(next), " needs ", spoken(out.limit->key, *need));
    }
    for (const auto& m : k_measures) {
        const auto value = m.of == which ? number_of(find(m.key)) : std::nullopt;
        if (value && *value > 0) out.score = std::log2(m.less_is_better ? m.baseline / *value : *value / m.baseline);
    }
    return out;
}

fact fact_of(std::string key, const axis_tier& from) {
    fact f;
    f.key = std::move(key);
    f.status = from.status;
    f.volatility = fact_volatility::slow;
    f.confidence = from.confidence;
    f.ttl_s = k_ttl_s;
    f.observed_ns = from.observed_ns;
    f.method = "derived";
    f.source = from.source;
    f.detail = from.detail;
    if (from.tier) f.value = to_string(*from.tier);
    return f;
}

fact no_value(std::string key, const axis_tier& because, std::string why) {
    auto f = fact_of(std::move(key), because);
    f.status = because.status == fact_status::ok ? fact_status::error : because.status;
    f.value = nullptr;
    f.detail = std::move(why);
    return f;
}

const axis_tier& at(const tier_report& report, axis a) { return report[static_cast<std::size_t>(a)]; }

fact gpu_fact(const fact_lookup& find) {
    fact f;
    f.key = "tier.gpu";
    f.volatility = fact_volatility::slow;
    f.ttl_s = k_ttl_s;
    f.method = "derived";
    f.source = "gpu.count";
    const fact* count = find("gpu.count");
    const auto n = number_of(count);
    f.status = !n ? unknown(count) : *n == 0 ? fact_status::absent : fact_status::unsupported;
    f.detail = !n ? why_missing("gpu.count", count) : *n == 0 ? "there is none" : "no speed of a gpu is measured";
    if (count) f.observed_ns = count->observed_ns;
    return f;
}

void add_overall(std::vector<fact>& out, const tier_report& report) {
    const auto &cpu = at(report, axis::cpu), &memory = at(report, axis::memory);
    // Nothing is lower than basic, so one of the two that is decides.
    const bool decided =
        (cpu.tier && memory.tier) || cpu.tier == machine_tier::basic || memory.tier == machine_tier::basic;
    std::string missing;
    for (std::size_t i = 0; i < report.size(); ++i)
        if (!report[i].tier) missing += (missing.empty() ? "" : ", ") + std::string(to_string(axis(i))) + " is unknown";
    const auto& unknown_one = cpu.tier ? memory : cpu;
    if (!decided) {
        out.push_back(no_value("tier.overall", unknown_one, missing));
        out.push_back(no_value("tier.limiting_axis", unknown_one, missing));
    } else {
        const bool by_cpu = cpu.tier && (!memory.tier || *cpu.tier <= *memory.tier);
        auto limiting = by_cpu ? axis::cpu : axis::memory;
        axis_tier whole = at(report, limiting);
        for (const auto other : {axis::storage, axis::network}) {
            const auto& lower = at(report, other);
            if (lower.tier != machine_tier::basic || whole.tier == machine_tier::basic) continue;
            whole.tier = step(*whole.tier, -1);
            limiting = other;
            whole.detail = lower.detail;
            break;  // one step, whether one of them is basic or both
        }
        whole.source = "tier.cpu tier.memory tier.storage tier.network";
        whole.confidence = at(report, limiting).confidence;
        if (!whole.detail.empty()) whole.detail = sdk::concat(to_string(limiting), ": ", whole.detail);
        if (!missing.empty()) whole.detail += (whole.detail.empty() ? "" : "; ") + missing;
        out.push_back(fact_of("tier.overall", whole));
        out.push_back(fact_of("tier.limiting_axis", whole));
        out.back().value = whole.tier == machine_tier::ultra ? "none" : to_string(limiting);
    }
    if (!cpu.score || !memory.score) {
        const auto& without_score = cpu.score ? memory : cpu;
        out.push_back(
            no_value("tier.score", without_score, "not both of perf.all_int and perf.mem_triad_bps are measured"));
        return;
    }
    const auto& lower = *cpu.score <= *memory.score ? cpu : memory;
    auto score = fact_of("tier.score", lower);
    score.status = fact_status::ok;
    score.value = std::round(*lower.score * 100) / 100;
    score.source = "perf.all_int perf.mem_triad_bps";
    score.detail = "log2 of how many times the baseline machine;";
    for (std::size_t i = 0; i < report.size(); ++i)
        if (report[i].score) score.detail += sdk::concat(" ", to_string(axis(i)), " ", round_number(*report[i].score));
    out.push_back(std::move(score));
}

}  // namespace

std::string_view to_string(machine_tier t) noexcept {
    constexpr std::string_view k_names[] = {"basic", "standard", "high", "ultra"};
    return k_names[static_cast<std::size_t>(t)];
}

std::string_view to_string(tier_axis a) noexcept {
    constexpr std::string_view k_names[] = {"cpu", "memory", "storage", "network"};
    return k_names[static_cast<std::size_t>(a)];
}

std::span<const tier_gate> tier_gates() noexcept { return k_gates; }

tier_report judge_tiers(const fact_lookup& find) {
    tier_report report;
    for (std::size_t i = 0; i < report.size(); ++i) report[i] = judge(axis(i), find);
    return report;
}

std::vector<fact> tier_facts(const tier_report& report, const fact_lookup& find) {
    std::vector<fact> out;
    if (std::none_of(std::begin(k_gates), std::end(k_gates), [&](const auto& gate) { return find(gate.key); }))
        return out;
    for (std::size_t i = 0; i < report.size(); ++i)
        out.push_back(fact_of(sdk::concat("tier.", to_string(axis(i))), report[i]));
    out.push_back(gpu_fact(find));
    add_overall(out, report);
    return out;
}

void add_tiers(std::vector<fact>& facts, const std::function<tier_report(tier_report, const fact_lookup&)>& settle) {
    std::erase_if(facts, [](const fact& f) { return f.key.starts_with(k_prefix) && f.method != "declared"; });
    const fact_lookup find = [&](std::string_view key) -> const fact* {
        const auto at = std::find_if(facts.begin(), facts.end(), [&](const fact& f) { return f.key == key; });
        return at == facts.end() ? nullptr : &*at;
    };
    auto report = judge_tiers(find);
    if (settle) report = settle(std::move(report), find);
    auto tiers = tier_facts(report, find);
    std::erase_if(tiers, [&](const fact& f) { return find(f.key); });
    std::move(tiers.begin(), tiers.end(), std::back_inserter(facts));
}

std::vector<std::string> tier_evidence() {
    std::vector<std::string> keys{"gpu.count"};
    for (const auto& gate : k_gates) keys.emplace_back(gate.key);
    for (const auto& m : k_measures) keys.emplace_back(m.key);
    return keys;
}

}  // namespace sigrun
