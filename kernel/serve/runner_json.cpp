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

json::value us_or_null(nanoseconds t) {
    return t.count() ? json::value(static_cast<double>(t.count()) / 1000) : json::value();
}

std::string rfc3339_of(time_point t, const clock& time) {
    return to_rfc3339(time.wall_ns() + nanoseconds(t - time.now()).count());
}

// What was measured of a protocol, and whether it may be used. Under the member's lock.
json::object evidence_json(const rung_record& record, const clock& time, bool with_history) {
    const auto seen = record.evidence.snapshot();
    const auto next = record.gate.next_trial();
    json::object o{{"samples", seen.samples},
                   {"latency_us", us_or_null(seen.latency)},
                   {"latency_p99_us", us_or_null(seen.latency_p99)},
                   {"answer_us", us_or_null(seen.answer)},
                   {"answer_p99_us", us_or_null(seen.answer_p99)},
                   {"success", seen.success},
                   {"successes", seen.successes},
                   {"failures", seen.failures},
                   {"bytes_per_s", seen.bytes_per_s},
                   {"breaker", to_string(record.gate.at(time.now()))},
                   {"failures_in_a_row", record.gate.failures()},
                   {"next_trial_at", next == time_point{} ? json::value() : json::value(rfc3339_of(next, time))},
                   {"last_failure", record.last_failure}};
    if (!with_history) return o;
    const auto trend = record.history.latency_trend();
    using way = rung_history::direction;
    o["latency_trend"] = trend.way == way::none
                             ? json::value()
                             : json::value({{"direction", trend.way == way::rising ? "rising" : "falling"},
                                            {"percent_per_hour", trend.percent_per_hour}});
    json::array history;
    for (const auto& s : record.history.samples())
        history.push_back(json::object{{"at", to_rfc3339(s.at_s * 1'000'000'000)},
                                       {"latency_us", s.latency_us > 0 ? json::value(s.latency_us) : json::value()},
                                       {"success", s.success},
                                       {"bytes_per_s", s.bytes_per_s}});
    o["history"] = std::move(history);
    return o;
}

// The protocols of a runner as they are used, best first. Under the member's lock.
void add_rungs(json::object& o, const member& m, const fleet& links, const clock& time, bool with_history) {
    const auto& board = m.rungs;
    const auto& order = board.orders[0];
    json::array ranking;
    for (std::uint8_t i = 0; i < order.size; ++i)
        ranking.push_back(json::object{{"protocol", links.protocol_name(order.protocol[i])},
                                       {"score", order.score[i] > 0 ? json::value(order.score[i]) : json::value()}});
    json::object choice{
        {"reason", order.size ? json::value(to_string(order.why)) : json::value()},
        {"ranking", std::move(ranking)},
        {"switches", board.switches},
        {"wanted", board.wanted == 0xff ? json::value() : json::value(links.protocol_name(board.wanted))}};
    if (board.switches)
        choice["last_switch"] = {{"from", links.protocol_name(board.last_switch.from)},
                                 {"to", links.protocol_name(board.last_switch.to)},
                                 {"reason", board.last_switch.reason},
                                 {"at", to_rfc3339(board.last_switch.at_ns)}};
    else
        choice["last_switch"] = nullptr;
    o["choice"] = std::move(choice);
    for (auto& item : o["protocols"].as_array()) {
        auto& p = item.as_object();
        const auto* record = board.find(links.protocol_of(p["name"].as_string()));
        p["evidence"] = record ? json::value(evidence_json(*record, time, with_history)) : json::value();
    }
}

json::value quarantine_json(const quarantine& q, const clock& time) {
    if (q.state() == quarantine::phase::none) return nullptr;
    const bool out = q.state() == quarantine::phase::out;
    return json::object{{"state", out ? "out" : "trial"},
                        {"reason", q.reason()},
                        {"until", out ? json::value(rfc3339_of(q.until(), time)) : json::value()},
                        {"times", q.times()}};
}

json::array protocols_json(const runner& r) {
    json::array out;
    for (const auto& [name, seen] : r.protocols) {
        json::object p{
            {"name", name},
            {"state", seen.up          ? "up"
                      : seen.supported ? "down"
                                       : "absent"},
            {"reason", seen.reason},
            {"version", seen.version},
            {"features", json::array(seen.features.begin(), seen.features.end())},
            {"max_message_bytes", seen.max_message_bytes ? json::value(seen.max_message_bytes) : json::value()},
            {"tier",
             seen.gauge.tier() == protocol_tier::unknown ? json::value() : json::value(to_string(seen.gauge.tier()))},
            {"detected_at", time_or_null(seen.looked_ns)},
            {"verified_at", time_or_null(seen.verified_ns)}};
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
    std::lock_guard guard(m->mutex);
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
    o["quarantine"] = quarantine_json(r.conduct, c.runners.time());
    add_rungs(o, *m, c.links, c.runners.time(), with_facts);
    if (with_facts) o["facts"] = r.facts ? r.facts->to_json() : json::array{};
    return o;
}

}  // namespace sigrun
