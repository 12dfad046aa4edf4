// What crashed in earlier runs, for watchers and numbers, and the method that lifts a quarantine.
#include "kernel/serve/methods.hpp"

namespace sigrun {
namespace {

void publish(event_log& events, event_type type, const json::object& detail) {
    const auto text = json::serialize(detail);
    events.publish(type, {}, {}, text.substr(1, text.size() - 2));
}

void admit(controller& c, const std::string& name, const call_ptr& call) {
    auto lifted = c.plugins.admit(name);
    if (!lifted) return void(call->fail(lifted.error()));
    std::string id = name, version;
    for (const auto& p : c.plugins.plugins())
        if (p.id == name || p.file.ends_with("/" + name + ".so")) {
            id = p.id;
            version = p.version;
        }
    if (*lifted) publish(c.events, event_type::plugin_admitted, {{"plugin", id}, {"lifted", *lifted}});
    call->last(json::serialize(json::object{{"id", id}, {"lifted", *lifted}, {"running", version}}));
}

}  // namespace

void tell_of_crashes(const plugin_host& plugins, event_log& events, metrics& numbers) {
    const auto ledger = plugins.crashes();
    if (!ledger) return;
    for (const auto& [whose, n] : ledger->totals())
        numbers
            .get_counter(
                "sigrun_crashes_total",
                "Crashes over all runs, by the plugin to blame, or program, unknown, sent (by another process)",
                {{"blame", whose}})
            .add(static_cast<double>(n));
    numbers.get_gauge("sigrun_plugins_quarantined", "Versions of plugins that are not loaded because they crashed")
        .set(static_cast<double>(ledger->quarantined().size()));
    for (const auto& held : ledger->newly_held())
        publish(events, event_type::plugin_quarantined,
                {{"plugin", held.plugin}, {"version", held.version}, {"sha256", held.sha256}, {"reason", held.reason}});
}

void add_crash_methods(router& r, controller& c) {
    r.add("plugins.admit", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id"});
        if (!o) return void(call->fail(o.error()));
        auto name = required_text(*o, "id");
        if (!name) return void(call->fail(name.error()));
        admit(c, std::string(*name), call);
    });
}

}  // namespace sigrun
