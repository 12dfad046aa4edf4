#include "kernel/serve/balancer_settings.hpp"

namespace sigrun {
namespace {

constexpr const char *k_key = "default_algorithm", *k_plain = "round_robin";

bool is_set(const settings& from, std::string_view section, std::string_view key) {
    const auto* values = from.find(section);
    return values && values->values.find(key) != values->values.end();
}

}  // namespace

result<std::string> default_balancer(const daemon_settings& bound, const settings& from,
                                     const std::function<bool(const std::string&)>& loaded,
                                     const std::vector<std::string>& names) {
    std::string name = bound.at("balancer").text(k_key);
    if (loaded(name)) return name;
    if (!is_set(from, "balancer", k_key) && loaded(k_plain)) return std::string(k_plain);
    std::string known;
    for (const auto& each : names) known += (known.empty() ? "one of " : ", ") + each;
    return with_origin(bad_value("balancer.default_algorithm", known.empty() ? "a balancer plugin to be loaded" : known,
                                 "\"" + name + "\""),
                       from);
}

void use_default_balancer(selector& select, const daemon_settings& bound) {
    if (!select.set_default(bound.at("balancer").text(k_key))) select.set_default(k_plain);
}

void allow_choices(selector& select, const daemon_settings& bound) {
    const auto& b = bound.at("balancer");
    select.allow_switching(b.boolean("enable_adaptive_balancing"));
    select.offer_geographic(b.boolean("enable_geographic_balancing"));
}

protection protection_of(const daemon_settings& bound) {
    const auto& b = bound.at("balancer");
    protection p;
    p.max_runner_load = b.real("max_runner_load");
    p.reserve_for_urgent = b.boolean("reserve_for_urgent");
    p.slow_start = nanoseconds(b.integer("slow_start"));
    p.eject = b.boolean("eject_outliers");
    p.failures_in_a_row = static_cast<std::uint32_t>(b.integer("max_failures_in_a_row"));
    p.ejection_time = nanoseconds(b.integer("ejection_time"));
    p.max_ejected = b.real("max_ejected");
    p.panic_below = b.real("panic_threshold");
    return p;
}

}  // namespace sigrun
