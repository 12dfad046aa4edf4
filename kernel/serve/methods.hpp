// The methods of the controller, grouped as in README.md. Each function adds its group to the router.
#pragma once

#include "kernel/capability/detector.hpp"
#include "kernel/job/engine.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/serve/router.hpp"

namespace sigrun {

class configuration;
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
};

void add_job_methods(router& r, controller& c);
void add_runner_methods(router& r, controller& c);
void add_event_methods(router& r, controller& c);
void add_system_methods(router& r, controller& c);
void add_path_methods(router& r, controller& c);
void add_plugin_methods(router& r, controller& c);
void add_crash_methods(router& r, controller& c);
void add_balancer_methods(router& r, controller& c);

/// Once the plugins are loaded: events and numbers about what ended earlier runs.
void tell_of_crashes(const plugin_host& plugins, event_log& events, metrics& numbers);
/// Needs controller::config.
void add_config_methods(router& r, controller& c);
/// Needs controller::who.
void add_token_methods(router& r, controller& c);

/// Sends the log of a job until its end, or for ever with `follow`; at the pace of the reader.
void stream_log(controller& c, const job_ptr& j, std::uint64_t offset, bool follow, const call_ptr& call);

}  // namespace sigrun
