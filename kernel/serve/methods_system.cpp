#include "kernel/serve/methods.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

json::object plugin_json(const plugin_info& p, bool with_options) {
    static constexpr std::string_view types[] = {"",       "bool",   "int",  "float", "size", "duration",
                                                 "string", "choice", "list", "uri",   "path", "secret"};
    json::array components, retiring;
    for (const auto& old : p.retiring)
        retiring.push_back(json::object{
            {"generation", old.generation}, {"version", old.version}, {"held_by", old.held_by}, {"age_s", old.age_s}});
    for (const auto& part : p.components) {
        json::object o{{"id", part.id},
                       {"kind", part.kind},
                       {"doc", part.doc},
                       {"instances", json::array(part.instances.begin(), part.instances.end())}};
        if (with_options) {
            json::array options;
            for (const auto& opt : part.options)
                options.push_back(json::object{{"key", sdk::view(opt.key)},
                                               {"type", opt.type < std::size(types) ? types[opt.type] : ""},
                                               {"default", sdk::view(opt.def)},
                                               {"doc", sdk::view(opt.doc)}});
            o["options"] = std::move(options);
        }
        components.push_back(std::move(o));
    }
    return {{"id", p.id},
            {"version", p.version},
            {"file", p.file},
            {"state", p.active ? "active" : "rejected"},
            {"reason", p.reason},
            {"sha256", p.sha256},
            {"generation", p.generation},
            {"abi", p.abi},
            {"doc", p.doc},
            {"components", std::move(components)},
            {"retiring", std::move(retiring)}};
}

double milliseconds(nanoseconds t) { return std::chrono::duration<double, std::milli>(t).count(); }

void reload_plugin(controller& c, const std::string& name, const call_ptr& call) {
    c.plugins.reload(name, [&c, name, call](result<reload_report> r) {
        auto count = [&](const char* outcome) {
            c.numbers
                .get_counter("sigrun_plugin_reloads_total", "Replacements of plugins, by outcome",
                             {{"plugin", r ? r->id : name}, {"outcome", outcome}})
                .add();
        };
        if (!r && r.error().code == errc::not_found) return void(call->fail(r.error()));
        if (!r) {
            count("refused");
            auto detail = json::serialize(json::object{{"plugin", name}, {"reason", r.error().text()}});
            c.events.publish(event_type::plugin_rejected, {}, {}, detail.substr(1, detail.size() - 2));
            return void(call->fail(r.error()));
        }
        count(r->changed ? "replaced" : "unchanged");
        json::object answer{{"id", r->id},
                            {"changed", r->changed},
                            {"old", {{"version", r->old_version}, {"generation", r->old_generation}}},
                            {"new", {{"version", r->new_version}, {"generation", r->new_generation}}},
                            {"prepared_ms", milliseconds(r->prepared)},
                            {"swapped_ms", milliseconds(r->swapped)}};
        if (r->changed) {
            auto detail = json::serialize(json::object{{"plugin", r->id},
                                                       {"from", r->old_version},
                                                       {"to", r->new_version},
                                                       {"generation", r->new_generation}});
            c.events.publish(event_type::plugin_replaced, {}, {}, detail.substr(1, detail.size() - 2));
        }
        call->last(json::serialize(answer));
    });
}

// Bad params are an answer of their own; otherwise `body` makes the answer.
template <class Body>
method_fn plain(std::initializer_list<std::string_view> params, Body body) {
    std::vector<std::string_view> names(params);
    return [names, body](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {});
        if (!names.empty()) o = parse_params(in.params, {names[0]});
        if (!o) return void(call->fail(o.error()));
        body(*o, in, call);
    };
}

result<json::object> ready(controller& c) {
    if (auto why = c.store.failed(); !why.empty())
        return problem{
            errc::unavailable, "the store cannot be written: " + why, "store", "a writable state directory", why, 5000};
    return json::object{{"status", "ok"}, {"runners", c.runners.size()}, {"waiting", c.jobs.waiting()}};
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
    auto cache = c.links.detection_stats();
    auto probes = c.local.stats();
    return {{"jobs", std::move(by_state)},
            {"waiting", c.jobs.waiting()},
            {"runners", std::move(by_status)},
            {"detection",
             {{"hits", cache.hits},
              {"misses", cache.misses},
              {"shared", cache.shared},
              {"negative", cache.negative},
              {"entries", cache.entries}}},
            {"probes",
             {{"hits", probes.hits}, {"misses", probes.misses}, {"shared", probes.shared}, {"runs", probes.runs}}},
            {"index_repairs", c.select.index_repairs()},
            {"started_at", to_rfc3339(c.started_ns)}};
}

}  // namespace

void add_system_methods(router& r, controller& c) {
    r.add("plugins.list", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              json::array items;
              for (const auto& p : c.plugins.plugins()) items.push_back(plugin_json(p, false));
              call->last(json::serialize(json::object{{"items", std::move(items)}, {"next", nullptr}}));
          }));
    r.add("plugins.get", plain({"id"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              auto name = text_or(o, "id");
              for (const auto& p : c.plugins.plugins()) {
                  auto file = p.file.substr(p.file.rfind('/') + 1);
                  if (p.id == name || file == name || file == std::string(name) + ".so")
                      return void(call->last(json::serialize(plugin_json(p, true))));
              }
              call->fail({errc::not_found, "no such plugin", "id",
                          "the id or file name of a plugin (see `sigrun plugin ls`)", "\"" + std::string(name) + "\""});
          }));
    r.add("plugins.reload", plain({"id"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              auto name = required_text(o, "id");
              if (!name) return void(call->fail(name.error()));
              reload_plugin(c, std::string(*name), call);
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
    r.add("metrics.get", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              c.numbers.get_gauge("sigrun_jobs_waiting", "Jobs that wait for a place")
                  .set(static_cast<double>(c.jobs.waiting()));
              c.numbers.get_gauge("sigrun_runners", "Registered runners").set(static_cast<double>(c.runners.size()));
              auto text = buffer_ref::copy_of(c.numbers.text());
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
