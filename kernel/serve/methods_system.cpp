#include "kernel/auth/role.hpp"
#include "kernel/serve/cache_series.hpp"
#include "kernel/serve/live_metrics.hpp"
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plain_method.hpp"
#include "kernel/serve/selection_series.hpp"
#include "kernel/serve/tenancy.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

result<json::object> ready(controller& c) {
    if (auto why = c.store.failed(); !why.empty())
        return problem{
            errc::unavailable, "the store cannot be written: " + why, "store", "a writable state directory", why, 5000};
    return json::object{{"status", "ok"}, {"runners", c.runners.size()}, {"waiting", c.jobs.waiting()}};
}

json::object cache_numbers(const cache_stats& s, const cache_census& now) {
    return {{"hits", s.hits},         {"misses", s.misses},     {"shared", s.shared},     {"stale", s.stale},
            {"negative", s.negative}, {"renewals", s.renewals}, {"evicted", s.evicted},   {"in_flight", s.in_flight},
            {"entries", s.entries},   {"valid", now.valid},     {"expired", now.expired}, {"failed", now.negative},
            {"ratio", s.ratio()}};
}

/// Of the selections that were timed; figures are the upper bounds of buckets. Null: none was, or beyond the last bound.
json::object selection_numbers(const pick_time_counts& picks) {
    const auto at = [&](double share) {
        const double ns = picks.quantile_ns(share);
        return ns > 0 ? json::value(ns * 1e-3) : json::value(nullptr);
    };
    return {{"timed", picks.total()}, {"p50_us", at(0.5)}, {"p99_us", at(0.99)}, {"p999_us", at(0.999)}};
}

json::object stats(controller& c) {
    std::map<std::string_view, std::uint64_t> jobs, runners;
    for (const auto& j : c.jobs.all()) {
        std::lock_guard lock(j->mutex);
        ++jobs[to_string(j->state)];
    }
    for (const auto& r : c.runners.all()) {
        std::lock_guard lock(r->mutex);
        ++runners[to_string(r->status.status())];
    }
    json::object by_state, by_status;
    for (const auto& [state, n] : jobs) by_state[state] = n;
    for (const auto& [status, n] : runners) by_status[status] = n;
    const auto probes = c.local.stats();
    auto local = cache_numbers(probes, probes.now);
    local["runs"] = probes.runs;
    return {{"jobs", std::move(by_state)},
            {"waiting", c.jobs.waiting()},
            {"runners", std::move(by_status)},
            {"detection", cache_numbers(c.links.detection_stats(), c.links.detection_census())},
            {"probes", std::move(local)},
            {"selection", selection_numbers(c.select.pick_times())},
            {"index_repairs", c.select.index_repairs()},
            {"started_at", to_rfc3339(c.started_ns)}};
}

json::object methods_of(const router& r) {
    json::array items;
    for (const auto& name : r.methods())
        items.push_back(json::object{{"name", name}, {"permission", to_string(needed_for(name))}});
    return {{"items", std::move(items)}, {"next", nullptr}};
}

}  // namespace

void add_system_methods(router& r, controller& c) {
    r.add("methods.list", plain({}, [&r](const json::object&, const call_input&, const call_ptr& call) {
              call->last(json::serialize(methods_of(r)));
          }));
    r.add("config.get", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              call->last(json::serialize(c.config_dump()));
          }));
    r.add("stats.get", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              call->last(json::serialize(stats(c)));
          }));
    r.add("version.get", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              call->last(json::serialize(json::object{{"name", "sigrund"},
                                                      {"version", c.version},
                                                      {"abi", sdk::concat(SIGRUN_ABI_MAJOR, ".", SIGRUN_ABI_MINOR)}}));
          }));
    auto caches = std::make_shared<cache_series>();
    auto selections = std::make_shared<selection_series>();
    r.add("metrics.get",
          plain({}, [&c, caches, selections](const json::object&, const call_input& in, const call_ptr& call) {
              c.numbers.get_gauge("sigrun_jobs_waiting", "Jobs that wait for a place")
                  .set(static_cast<double>(c.jobs.waiting()));
              c.numbers.get_gauge("sigrun_runners", "Registered runners").set(static_cast<double>(c.runners.size()));
              selections->tell(c.numbers, c.select.pick_times());
              const auto probes = c.local.stats();
              caches->tell(c.numbers, "probes", probes, probes.now);
              caches->tell(c.numbers, "endpoints", c.links.detection_stats(), c.links.detection_census());
              auto text = buffer_ref::copy_of(c.numbers.text() + live_metrics(c, tenant_of(in).empty()));
              call->last("", text.get());
          }));
    r.add("health.live", plain({}, [](const json::object&, const call_input&, const call_ptr& call) {
              call->last("{\"status\":\"ok\"}");
          }));
    r.add("health.ready", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              auto answer = ready(c);
              if (answer)
                  call->last(json::serialize(*answer));
              else
                  call->fail(answer.error());
          }));
    r.add("probe.run", plain({"only"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              detect_options options;
              auto only = text_or(o, "only");
              while (!only.empty()) {
                  auto comma = only.find(',');
                  options.only.emplace_back(only.substr(0, comma));
                  only.remove_prefix(comma == std::string_view::npos ? only.size() : comma + 1);
              }
              c.local.detect(options, [call](capability_ptr facts) {
                  call->last(json::serialize(json::object{{"facts", facts ? facts->to_json() : json::array{}}}));
              });
          }));
}

}  // namespace sigrun
