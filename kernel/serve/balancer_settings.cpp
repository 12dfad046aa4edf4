#include "kernel/serve/balancer_settings.hpp"

namespace sigrun {

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
