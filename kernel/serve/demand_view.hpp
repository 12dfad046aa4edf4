// Demand for runners: for each requirement of jobs that wait or run, how many wait for a place and for how long, what there is
// for them, and how many places are missing. For autoscalers; the answer of demand.get, and the source of its metrics.
//
// Made when somebody asks: jobs are counted as they come and go (kernel/job/demand.hpp), runners are looked at here, under no
// lock of the queue or of selection. An answer is good for a second, and for twenty times as long as it took.
#pragma once

#include "kernel/serve/demand_figures.hpp"
#include "kernel/serve/methods.hpp"

#include <list>
#include <memory>
#include <mutex>

namespace sigrun {

struct demand_question {
    std::string cls, queue, tenant;  // empty: all
    std::size_t limit = 100;         // classes that are told one by one, those with most queued jobs
    nanoseconds hold{0};             // a job that waits for less is no shortfall yet
    nanoseconds idle = std::chrono::minutes(5);
    friend bool operator==(const demand_question&, const demand_question&) = default;
};

struct demand_answer {
    time_point at{};
    std::int64_t at_ns = 0;             // wall clock
    std::vector<demand_class> classes;  // with most queued jobs first
    demand_sums other, total;
    struct idle_runner {
        std::string id, name;
        double idle_s = 0;
        std::uint16_t places = 0;
        bool drainable = true;  // no job of the classes that are told waits for it
        label_map labels;
    };
    std::uint64_t idle_runners = 0;
    std::vector<idle_runner> longest_idle;
    json::object document() const;
};

class exposition;

class demand_view {
public:
    explicit demand_view(controller& c) : c_(c) {}
    /// [any]
    std::shared_ptr<const demand_answer> ask(const demand_question& what);
    /// Now, not as it was a moment ago. [any]
    demand_answer look(const demand_question& what) const;
    /// Classes that have metrics of their own.
    void set_series(std::size_t n) noexcept { series_.store(n, std::memory_order_relaxed); }
    std::size_t series() const noexcept { return series_.load(std::memory_order_relaxed); }

private:
    struct known {
        demand_question what;
        std::shared_ptr<const demand_answer> answer;
        time_point good_until{};
    };
    struct fleet_now;
    fleet_now look_at_runners() const;
    void look_for_supply(demand_class& of, const fleet_now& fleet, const demand_question& what, time_point now) const;
    void look_for_gone(std::vector<demand_class*>& unmatched, const fleet_now& fleet) const;
    void tell_idle(demand_answer& out, const fleet_now& fleet, const demand_question& what) const;

    controller& c_;
    std::atomic<std::size_t> series_{50};
    std::mutex mutex_;
    std::list<known> known_;  // newest first
};

/// Prometheus text of the demand; see kernel/serve/README.md. `with_requirements`: as live_metrics.
void write_demand_metrics(exposition& out, demand_view& of, bool with_requirements);

}  // namespace sigrun
