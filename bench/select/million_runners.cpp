// Builds what a controller keeps of a million runners, part after part, and tells how many bytes each part takes: names (the
// registry with identities and labels), facts (a document of some 180 facts each), and the index that jobs are placed by, with
// 50 requirements. Fails above 2 GB.
#include "bench/select/fleet.hpp"
#include "bench/select/timing.hpp"
#include "kernel/log/log.hpp"
#include "kernel/runner/registry.hpp"
#include "tests/fixtures/documents/many_machines.hpp"

#include <malloc.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::bench;

constexpr std::uint64_t k_classes = 40;
constexpr std::uint32_t k_requirements = 50;
constexpr double k_most_bytes = 2e9, k_at = 1e6;  // so many, for so many runners

double resident() {
    ::malloc_trim(0);
    std::ifstream statm("/proc/self/statm");
    double pages = 0, held = 0;
    statm >> pages >> held;
    return held * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

/// Bytes of each part, from one look to the next.
class account {
public:
    explicit account(std::uint32_t runners) : runners_(runners), before_(resident()), began_(bench_clock::now()) {}
    void part(const char* name) {
        const double now = resident(), took = now - before_;
        total_ += took;
        std::printf("%-34s %8.0f bytes per runner %10.1f MB %8.1f s\n", name, took / runners_, took / 1e6,
                    ns_since(began_) * 1e-9);
        std::fflush(stdout);
        before_ = now;
        began_ = bench_clock::now();
    }
    double total() const noexcept { return total_; }

private:
    double runners_, before_, total_ = 0;
    bench_clock::time_point began_;
};

runner_identity identity(std::uint32_t i) {
    char key[65];
    std::snprintf(key, sizeof key, "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64,
                  std::uint64_t{i} * 0x9e3779b97f4a7c15u, std::uint64_t{i}, ~std::uint64_t{i}, std::uint64_t{i} << 32);
    runner_identity who;
    who.name = "build-" + std::to_string(i);
    who.key_hash = key;
    who.labels = {{"zone", i / k_classes % 2 ? "us" : "eu"}};
    return who;
}

/// Documents of all machines, by as many threads as there are processors: the parsing of them is not what is measured.
std::vector<sheet_ptr> documents(const test::many_machines& machines, std::uint32_t n) {
    std::vector<sheet_ptr> out(n);
    std::vector<std::thread> threads;
    const unsigned of = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned t = 0; t < of; ++t)
        threads.emplace_back([&, t] {
            for (std::uint32_t i = t; i < n; i += of)
                out[i] = fact_sheet::of(capability_document(machines.facts(i, k_classes)));
        });
    for (auto& t : threads) t.join();
    return out;
}

bool measure(std::uint32_t n, const std::string& balancer) {
    const test::many_machines machines(SIGRUN_SOURCE_DIR);
    metrics numbers;
    plugin_host host({}, settings::parse("", "bench").value(), numbers);
    journal store(host, nullptr, numbers);
    event_log events(clock::system());
    const auto picker = plugin_balancer(balancer);
    account bytes(n);

    registry runners(events, store, clock::system(), n);
    std::vector<runner_ptr> known(n);
    for (std::uint32_t i = 0; i < n; ++i) known[i] = runners.add(identity(i)).value();
    bytes.part("names: registry");

    std::vector<sheet_ptr> sheets = documents(machines, n);
    for (std::uint32_t i = 0; i < n; ++i) known[i]->facts = std::move(sheets[i]);
    sheets = {};
    bytes.part("facts: documents");

    selector::options o;
    o.max_runners = n;
    o.default_balancer = balancer;
    const auto index = selector::create(o, {picker}).value();
    std::vector<slot_ref> slots(n);
    for (std::uint32_t i = 0; i < n; ++i) {
        runner_profile p;
        p.facts = known[i]->facts;
        p.labels = std::make_shared<const label_map>(known[i]->identity.labels);
        p.protocols = 1;
        p.places = static_cast<std::uint16_t>(1 << i % 4);
        p.identity = i + 1;
        slots[i] = index->add(p).value();
        index->set_open(slots[i], true);
    }
    bytes.part("index: runners");
    std::vector<predicate_ptr> asked;
    for (std::uint32_t i = 0; i < k_requirements; ++i)
        asked.push_back(index->intern(requirement::compile("cpu.cores >= " + std::to_string(i % 40) +
                                                           " && memory.total_bytes >= 1GiB && label.zone == \"" +
                                                           (i % 2 ? "us" : "eu") + "\" && " +
                                                           (i % 10 ? "host.arch != \"none" + std::to_string(i) + "\""
                                                                   : "memory.available_bytes >= " + std::to_string(i)))
                                          .value()));
    std::uint64_t picked = 0;
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        pick_request q;
        q.pred = asked[i % asked.size()].get();
        const auto got = index->pick(q);
        if (got.outcome != pick_outcome::picked) continue;
        ++picked;
        job_feedback f;
        f.slot = got.slot;
        f.pred = q.pred;
        f.end.exec_us = 1000;
        index->feedback(f, got.explain.policy);
        index->release(got.slot);
    }
    bytes.part("index: 50 requirements, 100k jobs");

    const double most = k_most_bytes * std::max(1.0, n / k_at);
    const bool held = bytes.total() <= most;
    std::printf("%-34s %8.0f bytes per runner %10.1f MB; %" PRIu64 " of 100000 jobs placed\n", "all", bytes.total() / n,
                bytes.total() / 1e6, picked);
    std::printf("mission_N7: %u runners take %.2f GB, at most %.2f: %s\n", n, bytes.total() / 1e9, most / 1e9,
                held ? "held" : "NOT HELD");
    return held;
}

constexpr const char* k_help =
    "million_runners [RUNNERS [BALANCER]]\n"
    "Default: 1000000 round_robin; some minutes. Exit status 1: they take more than 2 GB.\n";

}  // namespace

int main(int argc, char** argv) {
    const std::uint32_t n = argc > 1 ? static_cast<std::uint32_t>(std::strtoul(argv[1], nullptr, 10)) : 1'000'000;
    if (argc > 3 || n < 1000 || n > 4'000'000) {
        const bool asked = argc == 2 && std::string(argv[1]) == "--help";
        std::fputs(k_help, asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    set_log_level(log_level::warning);
    try {
        return measure(n, argc > 2 ? argv[2] : "round_robin") ? 0 : 1;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "million_runners: %s\n", e.what());
        return 1;
    }
}
