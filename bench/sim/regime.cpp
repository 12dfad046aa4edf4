#include "bench/sim/regime.hpp"

namespace sigrun::sim {
namespace {

regime base(const char* name, const char* about, std::uint32_t runners, std::uint32_t places, double load,
            std::uint32_t jobs) {
    regime r;
    r.name = name;
    r.about = about;
    r.runners = runners;
    r.places = places;
    r.load = load;
    r.jobs = jobs;
    return r;
}

std::vector<regime> build() {
    std::vector<regime> all;
    auto add = [&](regime r) -> regime& { return all.emplace_back(std::move(r)); };
    add(base("n1000_c1_70", "1000 runners, 1 place, load 0.7", 1000, 1, 0.7, 200'000));
    add(base("n1000_c1_90", "1000 runners, 1 place, load 0.9", 1000, 1, 0.9, 200'000));
    add(base("n125_c8_90", "125 runners, 8 places, load 0.9", 125, 8, 0.9, 200'000));
    add(base("n100_c1_97", "100 runners, 1 place, load 0.97", 100, 1, 0.97, 400'000));
    add(base("n20_c1_97", "20 runners, 1 place, load 0.97", 20, 1, 0.97, 400'000));
    auto& equal = add(base("equal_90", "1000 runners of equal speed, 1 place, cv 1, load 0.9", 1000, 1, 0.9, 200'000));
    equal.mixed_speeds = equal.slow_phases = false;
    equal.cv = 1;
    auto& threads = add(base("dispatch16_90", "16 dispatching threads, 1000 runners, load 0.9", 1000, 1, 0.9, 200'000));
    threads.dispatchers = 16;
    auto& rtt = add(base("rtt_mixed", "round trips 0.1 to 20 ms, 1000 runners, load 0.5", 1000, 1, 0.5, 200'000));
    rtt.rtt_low = k_ms / 10;
    rtt.rtt_high = 20 * k_ms;
    auto& bad = add(
        base("sinkhole", "10 % of 1000 runners fail at once, the others 1 % of jobs, load 0.7", 1000, 1, 0.7, 200'000));
    bad.sinkholes = 0.1;
    bad.failures = 0.01;
    auto& zones =
        add(base("zones", "4 zones 0.2, 2, 8, 20 ms away, 250 runners each, load 0.5", 1000, 1, 0.5, 200'000));
    zones.zones = 4;
    auto& bursts = add(base("bursts", "load 0.5, and 1.5 for 50 ms every 500 ms, 1000 runners", 1000, 1, 0.5, 200'000));
    bursts.burst_load = 1.5;
    auto& many =
        add(base("controllers4", "4 daemons blind to each other share 1000 runners, load 0.7", 1000, 1, 0.7, 200'000));
    many.controllers = 4;
    auto& near = add(base("rtt_half_ms", "round trip 0.5 ms, 1000 runners, load 0.9", 1000, 1, 0.9, 200'000));
    near.rtt_low = near.rtt_high = k_ms / 2;
    near.in_suite = false;
    auto& slowed = add(
        base("slowed", "10 % of 200 equal runners of 8 places turn 4 times slower, load 0.4", 200, 8, 0.4, 400'000));
    slowed.mixed_speeds = slowed.slow_phases = false;
    slowed.degraded = 0.1;
    slowed.in_suite = false;
    return all;
}

}  // namespace

const std::vector<regime>& all_regimes() {
    static const std::vector<regime> all = build();
    return all;
}

const regime* find_regime(std::string_view name) {
    for (const regime& r : all_regimes())
        if (r.name == name) return &r;
    return nullptr;
}

double mean_load(const regime& r) { return r.burst_load > 0 ? (r.load * 450 + r.burst_load * 50) / 500 : r.load; }

}  // namespace sigrun::sim
