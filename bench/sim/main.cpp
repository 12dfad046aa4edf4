// Policies side by side in simulated fleets: the kernel's selector with the real balancer plugins, re-implementations of
// what others do, and the best that could be done.
#include "bench/sim/regret.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <thread>

namespace {

using namespace sigrun::sim;

template <typename T, typename Find>
std::vector<const T*> chosen(const std::vector<std::string>& names, const std::vector<T>& all, Find find,
                             const char* what) {
    std::vector<const T*> out;
    if (names.empty())
        for (const T& each : all) out.push_back(&each);
    for (const std::string& name : names) {
        const T* found = find(name);
        if (!found) throw CLI::ValidationError(what, "there is none called " + name + "; --list shows them");
        out.push_back(found);
    }
    return out;
}

void list() {
    for (const regime& r : all_regimes())
        std::printf("%-16s %s%s\n", r.name.c_str(), r.about.c_str(), r.in_suite ? "" : " (not of the twelve)");
    std::printf("\n");
    for (const policy_kind& p : all_policies())
        std::printf("%-18s %s%s\n", p.name.c_str(),
                    p.from == policy_kind::origin::reimplemented ? "re-implementation: " : "", p.about.c_str());
}

struct choices {
    std::vector<std::string> regimes, policies;
    std::uint32_t seeds = 5, jobs = 0, times = 1;
    std::uint64_t first_seed = 1;
    unsigned workers = std::max(1u, std::thread::hardware_concurrency());
    bool json = false, show = false, regrets = false;
    double most_regret = 0;  // 0 = whatever it is
};

/// False: adaptive lost more than it was to.
bool run(const choices& c) {
    const auto regimes = chosen(c.regimes, all_regimes(), find_regime, "--regime");
    auto policies = chosen(c.policies, all_policies(), find_policy, "--policy");
    if (c.regrets) std::erase_if(policies, [](const auto* p) { return p->from != policy_kind::origin::product; });
    std::vector<cell> cells;
    for (const regime* r : regimes)
        for (const policy_kind* p : policies)
            for (std::uint32_t s = 0; s < c.seeds; ++s)
                cells.push_back({r, p, {c.first_seed + s, c.jobs ? c.jobs : jobs_for(*r, r->jobs * c.times)}, {}});
    run_cells(cells, c.workers, [&](std::size_t done) {
        if (done % 10 == 0) std::fprintf(stderr, "\r%zu of %zu runs", done, cells.size());
    });
    std::fprintf(stderr, "\n");
    if (c.json) {
        print_json(cells);
        return true;
    }
    const summary all(cells);
    if (!c.regrets) print_table(all);
    print_regret(all);
    if (!c.regrets) print_verdicts(all);
    if (c.most_regret <= 0) return true;
    const double found = regret(all).of_suite("adaptive");
    return found > 0 && found <= c.most_regret;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Balancers side by side in simulated fleets; equal arguments give equal output"};
    choices c;
    app.add_option("--regime", c.regimes, "Only these (--list)")->delimiter(',');
    app.add_option("--policy", c.policies, "Only these (--list)")->delimiter(',');
    app.add_option("--seeds", c.seeds, "Runs of each, with other jobs")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--first-seed", c.first_seed, "The seeds are this and the following")->capture_default_str();
    app.add_option("--jobs", c.jobs, "Jobs per run, warm-up included; 0 = as the regime says")
        ->check(CLI::Range(0, 100'000'000));
    app.add_option("--times", c.times, "Times as many jobs as the regime says, for a long run")
        ->check(CLI::Range(1, 100));
    app.add_option("--workers", c.workers, "Processes at a time")->check(CLI::Range(1, 256))->capture_default_str();
    app.add_flag("--json", c.json, "Every run, as JSON");
    app.add_flag("--regret", c.regrets, "Only the policies of the product, each against the best fixed one");
    app.add_option("--most-regret", c.most_regret,
                   "Fails if the p99 of adaptive is more than so many times that of the best fixed policy")
        ->check(CLI::Range(1.0, 100.0));
    app.add_flag("--list", c.show, "The regimes and the policies");
    try {
        app.parse(argc, argv);
        if (c.show)
            list();
        else
            return run(c) ? 0 : 1;
    } catch (const CLI::ParseError& e) {
        return app.exit(e);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "selection_sim: %s\n", e.what());
        return 1;
    }
    return 0;
}
