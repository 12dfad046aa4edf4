#include "kernel/serve/runner_json.hpp"

namespace sigrun {
namespace {

json::value time_or_null(std::int64_t wall_ns) { return wall_ns ? json::value(to_rfc3339(wall_ns)) : json::value(); }

// What kind of runner it is, from what is known now.
std::string_view type_of(const runner& r) {
    if (!r.identity.profile.empty()) return "legacy";
    std::size_t supported = 0;
    std::string_view one = "unknown";
    for (const auto& [name, seen] : r.protocols)
        if (seen.supported) {
            ++supported;
            one = name;
        }
    return supported > 1 ? "hybrid" : one;
}

json::array protocols_json(const runner& r) {
    json::array out;
    for (const auto& [name, seen] : r.protocols) {
        json::object p{{"name", name},
                       {"state", seen.up          ? "up"
                                 : seen.supported ? "down"
                                                  : "absent"},
                       {"reason", seen.reason},
                       {"version", seen.version}};
        if (seen.latency_ns)
            p["latency_us"] = static_cast<double>(seen.latency_ns) / 1000;
        else
            p["latency_us"] = nullptr;
        out.push_back(std::move(p));
    }
    return out;
}

}  // namespace

json::object runner_json(controller& c, const member_ptr& m, bool with_facts) {
    const runner& r = *m->info;
    std::string rung = "none";
    std::uint32_t in_flight = 0;
    if (auto best = c.links.choose(m, 0xffff); best.via) rung = best.via->protocol_name();
    {
        std::lock_guard lock(m->mutex);
        if (m->indexed) in_flight = c.select.in_flight(m->slot);
    }
    auto age = c.links.detection_age(r);
    auto stats = c.links.detection_stats();
    std::lock_guard lock(r.mutex);
    json::object labels;
    for (const auto& [k, v] : r.identity.labels) labels[k] = v;
    auto slots = r.identity.slots.value_or(r.places);
    json::object o{{"id", r.identity.uid.text()},
                   {"name", r.identity.name},
                   {"status", to_string(r.status.status())},
                   {"status_reason", r.status.reason()},
                   {"type", type_of(r)},
                   {"endpoint", r.identity.endpoint},
                   {"profile", r.identity.profile},
                   {"labels", std::move(labels)},
                   {"slots", slots ? json::value(slots) : json::value()},
                   {"in_flight", in_flight},
                   {"protocols", protocols_json(r)},
                   {"rung", rung},
                   {"kinds", json::array(r.kinds.begin(), r.kinds.end())},
                   {"stats", {{"completed", r.counts.completed.load()}, {"failed", r.counts.failed.load()}}},
                   {"registered_at", time_or_null(r.identity.registered_ns)},
                   {"last_seen_at", time_or_null(r.last_seen_ns)}};
    if (r.identity.endpoint.empty())
        o["detected"] = nullptr;
    else
        o["detected"] = {{"cached", age.cached},
                         {"age_s", static_cast<double>(age.age.count()) / 1e9},
                         {"hits", stats.hits},
                         {"misses", stats.misses}};
    if (with_facts) o["facts"] = r.facts ? r.facts->to_json() : json::array{};
    return o;
}

}  // namespace sigrun
