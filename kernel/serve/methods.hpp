// The methods of the controller, grouped as in README.md. Each function adds its group to the router.
#pragma once

#include "kernel/capability/detector.hpp"
#include "kernel/job/engine.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/serve/router.hpp"

namespace sigrun {

class configuration;
class demand_view;
class history;
class submitted_signatures;
/// Everything the methods work on; outlives the router.
struct controller {
    plugin_host& plugins;
    metrics& numbers;
    event_log& events;
    registry& runners;
    fleet& links;
    selector& select;
    job_engine& jobs;
    journal& store;
    detector& local;
    timer_wheel& timers;
    const clock& time;
    std::string version;
    std::function<json::object()> config_dump;
    std::int64_t started_ns = 0;
    configuration* config = nullptr;
    gate* who = nullptr;
    std::function<std::uint64_t()> runner_series{};  // [metrics] runner_series of now
    submitted_signatures* signatures = nullptr;      // null: nobody asks for any
    demand_view* demand = nullptr;                   // null: metrics tell nothing of it
};

void add_job_methods(router& r, controller& c);
void add_artifact_methods(router& r, controller& c);
void add_submission_methods(router& r, controller& c);
void add_runner_methods(router& r, controller& c);
void add_event_methods(router& r, controller& c);
void add_system_methods(router& r, controller& c);
/// Not started yet; the controller outlives it.
std::shared_ptr<history> make_history(controller& c, nanoseconds step);
void add_history_methods(router& r, std::shared_ptr<history> past);
void add_path_methods(router& r, controller& c);
void add_demand_methods(router& r, demand_view& view);
void add_store_methods(router& r, controller& c);
void add_plugin_methods(router& r, controller& c);
void add_crash_methods(router& r, controller& c);
void add_balancer_methods(router& r, controller& c);

/// Once the plugins are loaded: events and numbers about what ended earlier runs.
void tell_of_crashes(const plugin_host& plugins, event_log& events, metrics& numbers);
/// Needs controller::config.
void add_config_methods(router& r, controller& c);
/// Needs controller::who.
void add_token_methods(router& r, controller& c);

/// What of a log is wanted.
struct log_request {
    std::uint64_t offset = 0;   // not 0: exactly from there, as who resumes wants it, whatever is said below
    std::uint32_t attempt = 0;  // only its output; 0 = of all
    std::optional<std::uint64_t> since_ns;    // what came then or later, by the runner's wall clock
    std::optional<std::uint64_t> last_lines;  // of what is there now
    bool follow = false;                      // until the job, or the attempt, has ended
};
/// Sends it at the pace of the reader.
void stream_log(controller& c, const job_ptr& j, const log_request& what, const call_ptr& call);

}  // namespace sigrun
