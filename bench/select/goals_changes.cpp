// Goals 4, 8 and 19: what it costs that a runner opens, closes or changes, that a requirement is new, and to explain one.
#include "bench/select/fleet.hpp"
#include "bench/select/goals.hpp"
#include "bench/select/timing.hpp"

namespace sigrun::bench {
namespace {

constexpr int k_live_requirements = 50;

std::vector<predicate_ptr> live_requirements(selector& index) {
    std::vector<predicate_ptr> out;
    for (int i = 0; i < k_live_requirements; ++i)
        out.push_back(index.intern(
            requirement::compile(std::string(k_requirement) + " && cpu.effective_cores != " + std::to_string(i))
                .value()));
    return out;
}

runner_profile profile_of(std::uint32_t i, const std::vector<sheet_ptr>& documents,
                          const std::vector<std::shared_ptr<const label_map>>& labels) {
    runner_profile p;
    p.facts = documents[i % documents.size()];
    p.labels = labels[i / documents.size() % labels.size()];
    p.protocols = 1;
    p.places = static_cast<std::uint16_t>(1 << i % 4);
    p.identity = i + 1;
    return p;
}

struct costs {
    double flip = 0, change = 0;
};

costs time_changes(std::uint32_t n, const std::string& balancer, double seconds) {
    fleet f(n, balancer);
    const auto alive = live_requirements(*f.index);
    costs out;
    std::uint32_t i = 0;
    bool open = false;
    out.flip = hot_time(
                   [&] {
                       f.index->set_open(f.slots[i], open);
                       if (++i == 1000) i = 0, open = !open;
                   },
                   seconds)
                   .p50;
    // A runner becomes another kind of machine, and back: it moves to another page each time.
    const std::vector<sheet_ptr> documents{document(3), document(9)};
    const std::vector<std::shared_ptr<const label_map>> labels{
        std::make_shared<const label_map>(label_map{{"zone", "eu"}})};
    std::uint32_t kind = 0;
    slot_ref moving = f.slots[7];
    out.change = hot_time([&] { moving = f.index->update(moving, profile_of(++kind % 2, documents, labels)).value(); },
                          seconds, 4)
                     .p50;
    return out;
}

/// A requirement nobody asked before, against 4096 kinds of runners.
double time_new_requirement(const std::string& balancer) {
    constexpr std::uint32_t k_kinds = 4096;
    selector::options o;
    o.max_runners = k_kinds * 2;
    o.default_balancer = balancer;
    const auto index = selector::create(o, {plugin_balancer(balancer)}).value();
    const std::vector<sheet_ptr> documents{document(3)};
    std::vector<std::shared_ptr<const label_map>> labels;
    for (std::uint32_t i = 0; i < k_kinds; ++i)
        labels.push_back(std::make_shared<const label_map>(
            label_map{{"row", "r" + std::to_string(i / 64)}, {"rack", "k" + std::to_string(i % 64)}}));
    for (std::uint32_t i = 0; i < k_kinds; ++i) {
        runner_profile p = profile_of(0, documents, {labels[i]});
        p.places = 1;
        index->set_open(index->add(p).value(), true);
    }
    std::vector<requirement_ptr> fresh;
    for (int i = 0; i < 200; ++i)
        fresh.push_back(
            requirement::compile("cpu.effective_cores >= 4 && label.row in [\"r1\", \"r2\"] && filler.key_3 != " +
                                 std::to_string(i))
                .value());
    std::vector<double> times;
    for (const auto& r : fresh) {
        const auto start = bench_clock::now();
        const auto p = index->intern(r);
        times.push_back(ns_since(start));
    }
    return quantiles_of(std::move(times)).p50;
}

/// Milliseconds to explain a requirement; each runner has a label of its own, which `text` may ask for.
double time_explaining(std::uint32_t n, const std::string& balancer, const char* text) {
    selector::options o;
    o.max_runners = n;
    o.default_balancer = balancer;
    const auto index = selector::create(o, {plugin_balancer(balancer)}).value();
    std::vector<sheet_ptr> documents;
    for (int kind = 0; kind < 40; ++kind) documents.push_back(document(kind));
    for (std::uint32_t i = 0; i < n; ++i) {
        const auto labels = std::make_shared<const label_map>(
            label_map{{"zone", i / 40 % 2 ? "eu" : "us"}, {"host", "h" + std::to_string(i)}});
        index->set_open(index->add(profile_of(i, documents, {labels})).value(), true);
    }
    const auto r = requirement::compile(text).value();
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
        const auto start = bench_clock::now();
        if (index->explain(*r).runners != n) throw std::runtime_error("some runners were not looked at");
        times.push_back(ns_since(start));
    }
    return quantiles_of(std::move(times)).p50 / 1e6;
}

}  // namespace

void report_changes(const goal_options& o) {
    const std::string& balancer = o.balancers.front();
    std::vector<double> flips, changes;
    for (const std::uint32_t n : o.runners) {
        const costs c = time_changes(n, balancer, o.seconds);
        flips.push_back(c.flip);
        changes.push_back(c.change / 1000);
    }
    report("4  new requirement, 4096 kinds of runners", {time_new_requirement(balancer) / 1000}, {20}, "us");
    report("8  open or close a runner, 50 live requirements", flips, std::vector<double>(flips.size(), 100), "ns");
    report("8  a runner becomes another kind, 50 live requirements", changes, std::vector<double>(changes.size(), 3),
           "us");
    std::vector<double> alike, apart;
    for (const std::uint32_t n : o.runners) {
        alike.push_back(time_explaining(n, balancer, k_requirement));
        apart.push_back(time_explaining(n, balancer, "cpu.effective_cores >= 4 && label.host == \"h7\""));
    }
    const auto goals = [&] {
        std::vector<double> out;
        for (const std::uint32_t n : o.runners) out.push_back(n <= 100'000 ? 50 : 500);
        return out;
    }();
    report("19 explain a requirement that kinds of runners decide", alike, goals, "ms");
    report("19 explain one that each runner decides by itself", apart, goals, "ms");
}

}  // namespace sigrun::bench
