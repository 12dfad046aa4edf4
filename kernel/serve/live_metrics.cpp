#include "kernel/serve/live_metrics.hpp"

#include "kernel/metrics/exposition.hpp"
#include "kernel/serve/demand_view.hpp"

#include <sigrun/balancer.h>
#include <sigrun/executor.h>
#include <sigrun/probe.h>
#include <sigrun/protocol.h>
#include <sigrun/store.h>

#include <map>

namespace sigrun {
namespace {

// Names of queues and tenants are whatever jobs say; those that have a section are told, up to so many.
constexpr std::size_t k_most_names = 200;
constexpr std::array<std::string_view, 5> k_kinds{SIGRUN_KIND_PROTOCOL, SIGRUN_KIND_BALANCER, SIGRUN_KIND_PROBE,
                                                  SIGRUN_KIND_EXECUTOR, SIGRUN_KIND_STORE};

double number(auto n) { return static_cast<double>(n); }

void protocols(exposition& out, const plugin_host& plugins, traffic_board& board) {
    const auto all = board.all();
    out.family("sigrun_protocol_bytes_total", "counter",
               "Documents and payloads of calls and session frames, without what the protocol adds");
    for (const auto* t : all) {
        out.sample({{"protocol", t->name}, {"direction", "in"}}, number(t->in.bytes.load()));
        out.sample({{"protocol", t->name}, {"direction", "out"}}, number(t->out.bytes.load()));
    }
    out.family("sigrun_protocol_messages_total", "counter", "Calls, answers and session frames");
    for (const auto* t : all) {
        out.sample({{"protocol", t->name}, {"direction", "in"}}, number(t->in.frames.load()));
        out.sample({{"protocol", t->name}, {"direction", "out"}}, number(t->out.frames.load()));
    }
    out.family("sigrun_protocol_calls_total", "counter", "Method calls that came over the protocol");
    for (const auto* t : all) out.sample({{"protocol", t->name}}, number(t->calls.load()));
    out.family("sigrun_protocol_calls_failed_total", "counter", "Calls that were answered with a problem");
    for (const auto* t : all) out.sample({{"protocol", t->name}}, number(t->calls_failed.load()));
    out.family("sigrun_call_seconds", "histogram",
               "From the arrival of a call to its answer; without streams and submits that wait");
    for (const auto* t : all) out.histogram({{"protocol", t->name}}, t->answers.snapshot());
    out.family("sigrun_protocol_up", "gauge", "1 while a plugin serves the protocol");
    for (const auto& each : plugins.instances(SIGRUN_KIND_PROTOCOL)) out.sample({{"protocol", each->name()}}, 1);
}

void balancers(exposition& out, controller& c) {
    const auto all = c.plugins.instances(SIGRUN_KIND_BALANCER);
    out.family("sigrun_balancer_picks_total", "counter",
               "Picks by balancer, since its plugin was loaded; each thread tells its own in sixteens");
    std::map<std::string, call_counts> of;
    for (const auto& each : all) of[each->name()] += c.select.balancer_counts(each);
    for (const auto& [name, counts] : of) out.sample({{"balancer", name}}, number(counts.calls));
    out.family("sigrun_balancer_empty_picks_total", "counter",
               "Picks that proposed nothing usable although a place was free");
    for (const auto& [name, counts] : of) out.sample({{"balancer", name}}, number(counts.failures));
}

void plugin_states(exposition& out, const plugin_host& host) {
    std::map<std::string, call_counts> calls;
    for (const auto kind : k_kinds)
        for (const auto& each : host.instances(kind)) calls[each->plugin_id()] = each->calls();
    const auto all = host.plugins();
    out.family("sigrun_plugin_active", "gauge", "1: it is in use; 0: it was rejected or is disabled");
    for (const auto& p : all)
        if (!p.id.empty()) out.sample({{"plugin", p.id}}, p.active ? 1 : 0);
    out.family("sigrun_plugin_generation", "gauge", "Number of the load that runs; it grows with each replacement");
    for (const auto& p : all)
        if (p.active) out.sample({{"plugin", p.id}}, number(p.generation));
    out.family("sigrun_plugin_calls_total", "counter", "Calls into the plugin, since this version of it was loaded");
    for (const auto& [id, counts] : calls) out.sample({{"plugin", id}}, number(counts.calls));
    out.family("sigrun_plugin_call_failures_total", "counter", "Calls into the plugin that failed for its own fault");
    for (const auto& [id, counts] : calls) out.sample({{"plugin", id}}, number(counts.failures));
    out.family("sigrun_plugin_crashes", "gauge", "Crashes that are remembered against the plugin");
    for (const auto& p : all)
        if (!p.id.empty()) out.sample({{"plugin", p.id}}, number(p.crashes));
}

void jobs(exposition& out, controller& c) {
    const auto totals = c.jobs.totals();
    out.family("sigrun_job_total_seconds", "histogram",
               "From submit to the end of a job, with all waiting and all attempts");
    out.histogram({}, totals.total);
    out.family("sigrun_job_run_seconds", "histogram", "From the start of a job's work to its end");
    out.histogram({}, totals.run);
    const auto [retries, others] = c.jobs.retries();
    out.family("sigrun_attempts_under_way", "gauge", "Attempts that runners were offered or work on");
    out.sample({}, number(retries + others));
    out.family("sigrun_queue_jobs_waiting", "gauge",
               "Jobs that wait, of queues with a section; all others under queue=\"\"");
    for (const auto& [name, n] : c.jobs.waiting_by_queue(k_most_names)) out.sample({{"queue", name}}, number(n));
    out.family("sigrun_tenant_jobs_waiting", "gauge",
               "Jobs that wait, of tenants with a section; all others under tenant=\"\"");
    for (const auto& [name, n] : c.jobs.waiting_by_tenant(k_most_names)) out.sample({{"tenant", name}}, number(n));
}

void one_by_one(exposition& out, controller& c, const std::vector<runner_ptr>& all) {
    struct row {
        std::string name;
        double up, in_flight, places, completed, failed;
        std::vector<std::pair<std::string, double>> latencies;
    };
    std::vector<row> rows;
    for (const auto& r : all) {
        const auto m = c.links.find(r->uid().text());
        if (!m) continue;
        row one{r->identity.name, 0, 0, 0, number(r->counts.completed.load()), number(r->counts.failed.load()), {}};
        {
            std::lock_guard lock((*m)->mutex);
            if ((*m)->indexed) one.in_flight = number(c.select.in_flight((*m)->slot));
        }
        std::lock_guard lock(r->mutex);
        const auto status = r->status.status();
        one.up = status == runner_status::online || status == runner_status::busy ? 1 : 0;
        one.places = number(r->identity.slots.value_or(r->places));
        for (const auto& [protocol, seen] : r->protocols)
            if (seen.latency_ns) one.latencies.emplace_back(protocol, number(seen.latency_ns) / 1e9);
        rows.push_back(std::move(one));
    }
    const auto tell = [&](std::string_view name, std::string_view type, std::string_view help, double row::*value) {
        out.family(name, type, help);
        for (const auto& each : rows) out.sample({{"runner", each.name}}, each.*value);
    };
    tell("sigrun_runner_up", "gauge", "1: online or busy", &row::up);
    tell("sigrun_runner_attempts", "gauge", "Attempts that have a place on the runner", &row::in_flight);
    tell("sigrun_runner_places", "gauge", "Jobs that it takes at once", &row::places);
    tell("sigrun_runner_jobs_completed_total", "counter", "Jobs that ended on the runner as they should",
         &row::completed);
    tell("sigrun_runner_jobs_failed_total", "counter", "Jobs that failed on the runner", &row::failed);
    out.family("sigrun_runner_latency_seconds", "gauge", "Round trip to the runner, smoothed");
    for (const auto& each : rows)
        for (const auto& [protocol, seconds] : each.latencies)
            out.sample({{"runner", each.name}, {"protocol", protocol}}, seconds);
}

void runners(exposition& out, controller& c) {
    out.family("sigrun_runners_by_status", "gauge", "Registered runners by status");
    const auto counts = c.runners.by_status();
    for (std::size_t i = 0; i < counts.size(); ++i)
        out.sample({{"status", to_string(static_cast<runner_status>(i))}}, number(counts[i]));
    const auto most = c.runner_series ? c.runner_series() : 0;
    const auto there = c.runners.size();
    out.family("sigrun_runners_not_told", "gauge",
               "Runners without numbers of their own here, since there are more than [metrics] runner_series");
    out.sample({}, there > most ? number(there) : 0);
    if (there && there <= most) one_by_one(out, c, c.runners.all());
}

}  // namespace

std::string live_metrics(controller& c, bool with_requirements) {
    std::string text;
    exposition out(text);
    protocols(out, c.plugins, c.plugins.traffic());
    jobs(out, c);
    if (c.demand) write_demand_metrics(out, *c.demand, with_requirements);
    runners(out, c);
    balancers(out, c);
    plugin_states(out, c.plugins);
    out.family("sigrun_store_up", "gauge", "1: the store takes records; 0: it cannot be written");
    out.sample({}, c.store.failed().empty() ? 1 : 0);
    return text;
}

}  // namespace sigrun
