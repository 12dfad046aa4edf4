#include "kernel/serve/plugin_events.hpp"

#include "kernel/base/json.hpp"

#include <array>

namespace sigrun {
namespace {

struct naming {
    event_type type;
    const char* outcome;
};
// In the order of plugin_event::kind.
constexpr std::array<naming, 8> k_namings{{{event_type::plugin_loaded, "loaded"},
                                           {event_type::plugin_rejected, "rejected"},
                                           {event_type::plugin_probation, "probation"},
                                           {event_type::plugin_replaced, "replaced"},
                                           {event_type::plugin_swapped_back, "swapped_back"},
                                           {event_type::plugin_retired, "retired"},
                                           {event_type::plugin_gone, "gone"},
                                           {event_type::plugin_removed, "removed"}}};

}  // namespace

plugin_observer publish_plugin_events(event_log& events, metrics& numbers) {
    return [&events, &numbers](const plugin_event& what) {
        const naming& name = k_namings[static_cast<std::size_t>(what.what)];
        json::object detail{{"plugin", what.plugin}};
        if (!what.from.empty()) detail["from"] = what.from;
        if (!what.to.empty()) detail["to"] = what.to;
        if (what.generation) detail["generation"] = what.generation;
        if (!what.reason.empty()) detail["reason"] = what.reason;
        const std::string text = json::serialize(detail);
        events.publish(name.type, {}, {}, text.substr(1, text.size() - 2));
        numbers
            .get_counter("sigrun_plugin_changes_total", "What happened to plugins while the daemon runs",
                         {{"plugin", what.plugin}, {"change", name.outcome}})
            .add();
    };
}

}  // namespace sigrun
