// Goal 6: threads that pick from one fleet while its runners open, close and change.
#include "bench/select/fleet.hpp"
#include "bench/select/goals.hpp"
#include "bench/select/timing.hpp"

#include <atomic>
#include <thread>

namespace sigrun::bench {
namespace {

/// Flips `per_s` runners a second, in a bunch each millisecond; of each hundred one becomes another kind of machine.
void keep_changing(fleet& f, std::uint32_t per_s, const std::atomic<bool>& stop, std::atomic<std::uint64_t>& made) {
    const std::vector<sheet_ptr> documents{document(3), document(9)};
    auto next = bench_clock::now();
    std::uint64_t n = 0;
    const auto flipped = static_cast<std::uint32_t>(f.slots.size() / 10);
    while (!stop) {
        for (std::uint32_t i = 0; i < per_s / 1000; ++i, ++n) {
            const std::uint32_t which = static_cast<std::uint32_t>(n / 2) % flipped;
            if (n % 100 == 99) {
                runner_profile p;
                p.facts = documents[n / 100 % 2];
                p.protocols = 1;
                p.places = 1;
                if (auto moved = f.index->update(f.slots[flipped], p)) f.slots[flipped] = *moved;
            } else {
                f.index->set_open(f.slots[which], n % 2);
            }
        }
        made = n;
        next += std::chrono::milliseconds(1);
        std::this_thread::sleep_until(next);
    }
}

struct shared_run {
    double rate = 0;  // M cycles/s of all threads
    double updates = 0;
    std::uint64_t repairs = 0;
};

shared_run run(fleet& f, const std::string& balancer, unsigned threads, std::uint32_t updates, double seconds) {
    const auto p = f.index->intern(requirement::compile(k_requirement).value());
    std::atomic<bool> go{false}, stop{false};
    std::atomic<std::uint64_t> made{0};
    std::vector<std::uint64_t> cycles(threads);
    std::vector<std::thread> all;
    for (unsigned t = 0; t < threads; ++t)
        all.emplace_back([&, t] {
            pick_request q;
            q.pred = p.get();
            q.balancer = f.index->balancer_id(balancer);
            while (!go) std::this_thread::yield();
            std::uint64_t done = 0;
            for (; !stop.load(std::memory_order_relaxed); ++done) f.index->release(f.index->pick(q).slot);
            cycles[t] = done;
        });
    std::thread updater;
    if (updates) updater = std::thread([&] { keep_changing(f, updates, stop, made); });
    const auto begin = bench_clock::now();
    go = true;
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop = true;
    const double took = ns_since(begin);
    shared_run out;
    for (unsigned t = 0; t < threads; ++t) {
        all[t].join();
        out.rate += static_cast<double>(cycles[t]) * 1e3 / took;
    }
    if (updates) updater.join();
    out.updates = static_cast<double>(made) * 1e9 / took;
    out.repairs = f.index->index_repairs();
    return out;
}

}  // namespace

void report_sharing(const goal_options& o) {
    const std::string& balancer = o.balancers.front();
    fleet f(100'000, balancer);
    double alone = 0;
    std::uint64_t repairs = 0;
    std::vector<unsigned> crowds{1, 2};
    while (crowds.back() * 2 <= std::thread::hardware_concurrency()) crowds.push_back(crowds.back() * 2);
    for (const unsigned threads : crowds)
        for (const std::uint32_t updates : {0u, 1'000u, 100'000u}) {
            const shared_run got = run(f, balancer, threads, updates, std::max(1.0, o.seconds));
            repairs += got.repairs;
            if (threads == 1 && !updates) alone = got.rate;
            const std::string what = "6  " + balancer + ": 100,000 runners, " + std::to_string(threads) +
                                     (threads == 1 ? " thread, " : " threads, ") +
                                     std::to_string(static_cast<int>(got.updates)) + " updates/s";
            report(what, {got.rate}, {threads == 1 ? 5.0 : 0.7 * threads * alone}, "M/s", true);
        }
    report("   index bits that had to be repaired", {static_cast<double>(repairs)}, {0}, "");
}

}  // namespace sigrun::bench
