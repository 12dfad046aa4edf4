#include "kernel/serve/rung_settings.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <charconv>

namespace sigrun {
namespace {

struct weight {
    std::string protocol;
    double factor = 0;
};

result<weight> read_weight(const std::string& item) {
    const auto eq = item.find('=');
    weight w;
    w.protocol = item.substr(0, eq);
    const std::string number = eq == std::string::npos ? "" : item.substr(eq + 1);
    const auto end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, w.factor);
    if (w.protocol.empty() || number.empty() || read.ec != std::errc{} || read.ptr != end || !(w.factor > 0) ||
        w.factor > 100)
        return bad_value("balancer.protocol_weights", "PROTOCOL=FACTOR, with a factor above 0 and at most 100",
                         "\"" + item + "\"");
    return w;
}

result<void> check_protocol(const std::string& field, const std::string& name, const std::vector<std::string>& known) {
    if (std::find(known.begin(), known.end(), name) != known.end()) return {};
    std::string all;
    for (const auto& each : known) all += (all.empty() ? "one of " : ", ") + each;
    return bad_value(field, all.empty() ? "a protocol that is loaded" : all, "\"" + name + "\"");
}

}  // namespace

result<void> check_rung_settings(const daemon_settings& bound, const std::vector<std::string>& known) {
    // Weights may be given for protocols that come later.
    for (const auto& item : bound.at("balancer").list("protocol_weights")) SIGRUN_CHECK_OK(read_weight(item));
    if (const auto name = bound.at("interface").text("preferred_protocol"); !name.empty())
        SIGRUN_CHECK_OK(check_protocol("interface.preferred_protocol", name, known));
    return {};
}

std::vector<std::string> not_detected(const daemon_settings& bound) {
    const auto& d = bound.at("detector");
    auto off = d.list("disabled");
    for (const char* each : {"valkyrie", "grpc", "websocket", "http"})
        if (!d.boolean(sdk::concat("enable_", each, "_detection"))) off.emplace_back(each);
    return off;
}

fleet_tuning fleet_tuning_of(const daemon_settings& bound) {
    const auto& d = bound.at("detector");
    const auto& i = bound.at("interface");
    const auto& b = bound.at("balancer");
    fleet_tuning t;
    t.detection_timeout = nanoseconds(d.integer("detection_timeout"));
    t.cache_ttl = nanoseconds(d.integer("cache_ttl"));
    t.parallel_detection = d.boolean("parallel_detection");
    t.runner_timeout = nanoseconds(bound.at("registry").integer("runner_timeout"));
    const auto& r = bound.at("registry");
    t.quarantine = {static_cast<std::uint32_t>(r.integer("quarantine_refusals")),
                    static_cast<std::uint32_t>(r.integer("quarantine_crashes")),
                    nanoseconds(r.integer("quarantine_window")), nanoseconds(r.integer("quarantine_time")),
                    nanoseconds(r.integer("quarantine_longest"))};
    t.auto_detection = bound.at("registry").boolean("auto_capability_detection");
    t.disabled_detection = not_detected(bound);
    t.detection_retries = static_cast<std::uint32_t>(d.integer("retry_attempts"));
    t.detection_retry_delay = nanoseconds(d.integer("retry_delay"));
    t.rungs.strategy = i.text("strategy");
    t.rungs.performance_weight = i.real("performance_weight");
    t.rungs.reliability_weight = i.real("reliability_weight");
    t.rungs.latency_weight = i.real("latency_weight");
    t.rungs.throughput_weight = i.real("throughput_weight");
    t.rungs.min_samples = static_cast<std::uint32_t>(i.integer("min_sample_size"));
    t.rungs.threshold = i.real("migration_threshold");
    t.rungs.dwell = nanoseconds(i.integer("switch_dwell"));
    t.rungs.preferred_bias = b.real("preferred_protocol_bias");
    t.preferred_protocol = i.text("preferred_protocol");
    for (const auto& item : b.list("protocol_weights"))
        if (auto w = read_weight(item)) t.protocol_weights[w->protocol] = w->factor;
    t.auto_selection = i.boolean("auto_protocol_selection");
    t.migration = i.boolean("enable_protocol_migration");
    t.fallback_timeout = nanoseconds(i.integer("fallback_timeout"));
    t.link_dwell = nanoseconds(i.integer("migration_dwell"));
    t.monitoring_interval = nanoseconds(b.integer("performance_monitoring_interval"));
    t.load_window = nanoseconds(b.integer("load_window"));
    t.metrics_interval = nanoseconds(i.integer("metrics_interval"));
    t.history_retention = nanoseconds(i.integer("history_retention"));
    return t;
}

}  // namespace sigrun
