// What demand costs: an answer about a million waiting jobs in 100 classes and 10,000 runners, beside a bare walk over as many
// jobs; and what counting adds to a job that waits, beside the queue that it waits in.
#include "bench/select/fleet.hpp"
#include "kernel/job/runner_place.hpp"
#include "kernel/serve/demand_view.hpp"

#include <benchmark/benchmark.h>

#include <unistd.h>

#include <deque>
#include <filesystem>

namespace sigrun {
namespace {

/// The parts that the answer is made of; nobody runs jobs here, they are only counted.
struct setting {
    static constexpr std::uint32_t k_runners = 10'000;
    static constexpr std::size_t k_jobs = 1'000'000;

    metrics numbers;
    const clock& time = clock::system();
    std::string dir = std::filesystem::temp_directory_path() / ("demand_bench_" + std::to_string(::getpid()));
    bench::fleet runners{k_runners};
    plugin_host plugins{{.plugin_dir = dir, .state_dir = dir, .program = "bench", .kinds = {}, .only = {}},
                        settings::parse("", "none.ini").value(),
                        numbers};
    event_log events{time};
    journal store{plugins, nullptr, numbers};
    registry known{events, store, time, k_runners};
    timer_wheel timers{time};
    detector local{plugins, time};
    log_store logs{dir + "/logs", 1 << 20};
    std::shared_ptr<fleet> links =
        std::make_shared<fleet>(plugins, known, *runners.index, numbers, time, fleet_options{});
    std::shared_ptr<demand_board> board = std::make_shared<demand_board>();
    std::unique_ptr<job_engine> jobs;
    std::unique_ptr<controller> control;
    std::unique_ptr<demand_view> view;
    wait_accounts accounts;
    std::vector<demand_ptr> cells;
    std::deque<demand_place> waiting;
    struct plain_job {
        const predicate* pred;
        time_point since;
    };
    std::vector<std::unique_ptr<plain_job>> walked;

    explicit setting(int classes, bool full) {
        // Jobs wait because there is no place; but an answer must not be slow where there is one.
        for (std::size_t i = 0; full && i < runners.slots.size(); ++i)
            for (std::uint32_t n = 0; n < 1u << i % 4; ++n) runners.index->claim_existing(runners.slots[i]);
        engine_options o;
        o.defaults.demand = board;
        jobs = std::make_unique<job_engine>(*links, *runners.index, store, events, numbers, logs, timers, time,
                                            std::move(o));
        control = std::make_unique<controller>(controller{plugins,
                                                          numbers,
                                                          events,
                                                          known,
                                                          *links,
                                                          *runners.index,
                                                          *jobs,
                                                          store,
                                                          local,
                                                          timers,
                                                          time,
                                                          "bench",
                                                          {},
                                                          0});
        view = std::make_unique<demand_view>(*control);
        for (std::uint32_t i = 0; i < k_runners; ++i) {
            runner_identity who;
            who.name = "runner-" + std::to_string(i);
            links->find(known.add(std::move(who)).value()->identity.name).value();
        }
        for (int i = 0; i < classes; ++i) {
            // Each suits half of the runners.
            const auto text = "host.arch == \"x86_64\" && label.zone == \"eu\" && memory.effective_bytes >= " +
                              std::to_string((1 << 20) + i);
            const auto pred = runners.index->intern(requirement::compile(text).value());
            cells.push_back(board->of(pred, "process", "auto", accounts.find("default"), accounts.find("")));
        }
        const auto now = time.now();
        for (std::size_t i = 0; i < k_jobs; ++i) {
            const auto& cell = cells[i % cells.size()];
            const auto since = now - std::chrono::microseconds(600 * i);  // over ten minutes
            waiting.emplace_back().move(cell.get(), demand_kind::queued, since);
            walked.push_back(std::make_unique<plain_job>(plain_job{cell->pred().get(), since}));
        }
    }
    ~setting() {
        waiting.clear();
        jobs->stop();
        links->stop();
        jobs->release();
        plugins.shutdown();
        std::filesystem::remove_all(dir);
    }
};

using which_setting = std::pair<int, bool>;
std::map<which_setting, std::unique_ptr<setting>>& all_settings() {
    static std::map<which_setting, std::unique_ptr<setting>> made;
    return made;
}
setting& with(int classes, bool full) {
    auto& one = all_settings()[{classes, full}];
    if (!one) one = std::make_unique<setting>(classes, full);
    return *one;
}

void answer(benchmark::State& state) {
    auto& s = with(static_cast<int>(state.range(0)), state.range(1) != 0);
    for (auto _ : state) {
        const auto told = s.view->look({});
        if (told.total.queued != setting::k_jobs) state.SkipWithError("not all jobs are counted");
        benchmark::DoNotOptimize(json::serialize(told.document()));
    }
}
BENCHMARK(answer)
    ->ArgNames({"classes", "full"})
    ->Args({100, 1})
    ->Args({100, 0})
    ->Args({10'000, 1})
    ->Unit(benchmark::kMillisecond);

/// The least that looking at the jobs themselves would take: no lock, two words of each.
void walk_over_the_jobs(benchmark::State& state) {
    auto& s = with(static_cast<int>(state.range(0)), state.range(1) != 0);
    for (auto _ : state) {
        std::unordered_map<const predicate*, std::pair<std::uint64_t, time_point>> all;
        for (const auto& j : s.walked) {
            auto& [n, oldest] = all.try_emplace(j->pred, 0, time_point::max()).first->second;
            ++n;
            oldest = std::min(oldest, j->since);
        }
        benchmark::DoNotOptimize(all);
    }
}
BENCHMARK(walk_over_the_jobs)->ArgNames({"classes", "full"})->Args({100, 1})->Unit(benchmark::kMillisecond);

struct item : waiter {};

/// A job comes into the queue, and the one whose turn it is goes; 100,000 wait. With and without counting.
void a_job_that_waits(benchmark::State& state) {
    const bool counted = state.range(0) != 0;
    bench::fleet runners(1'000);
    wait_accounts accounts;
    wait_queue queue;
    demand_board board;
    const auto tenant = accounts.find("");
    const auto pred = runners.index->intern(requirement::compile(bench::k_requirement).value());
    const auto cell = board.of(pred, "process", "auto", tenant, tenant);
    std::uint64_t seq = 0;
    const auto push = [&](std::shared_ptr<item> w, time_point since) {
        wait_terms t;
        t.pred = pred;
        t.tenant = tenant;
        t.seq = ++seq;
        t.since = since;
        queue.push(std::move(w), std::move(t));
    };
    std::deque<demand_place> places;
    const auto& time = clock::system();
    for (int i = 0; i < 100'000; ++i) {
        const auto now = time.now();
        push(std::make_shared<item>(), now);
        places.emplace_back().move(cell.get(), demand_kind::queued, now);
    }
    std::size_t turn = 0, at = 0;
    std::vector<slot_ref> suits;
    for (const auto slot : runners.slots)
        if (runners.index->matches(*pred, slot)) suits.push_back(slot);
    for (auto _ : state) {
        const auto slot = suits[at++ % suits.size()];
        const runner_place place(*runners.index, slot, runners.index->open_protocols(slot));
        auto w = queue.pop(place, time_point{});
        if (!w) {
            state.SkipWithError("nothing to pop");
            break;
        }
        const auto now = time.now();
        if (counted) {
            auto& of = places[turn++ % places.size()];
            of.move(cell.get(), demand_kind::running);
            of.move(cell.get(), demand_kind::none);
            of.move(cell.get(), demand_kind::queued, now);
        }
        push(std::static_pointer_cast<item>(std::move(w)), now);
    }
}
BENCHMARK(a_job_that_waits)->ArgNames({"counted"})->Arg(0)->Arg(1)->Arg(0)->Arg(1);

/// One that finds a place at once.
void a_job_that_does_not_wait(benchmark::State& state) {
    auto& s = with(100, true);
    demand_place job;
    for (auto _ : state) {
        job.move(s.cells[0].get(), demand_kind::running);
        job.move(s.cells[0].get(), demand_kind::none);
    }
}
BENCHMARK(a_job_that_does_not_wait);

}  // namespace
}  // namespace sigrun

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    sigrun::all_settings().clear();  // while what they use is still there
}
