#include "kernel/serve/queue_settings.hpp"

namespace sigrun {

engine_tuning engine_tuning_of(const daemon_settings& bound) {
    const auto& j = bound.at("jobs");
    const auto& i = bound.at("interface");
    engine_tuning t;
    t.max_waiting = static_cast<std::uint64_t>(j.integer("max_waiting"));
    t.keep_finished = static_cast<std::size_t>(j.integer("keep_finished"));
    t.lease = nanoseconds(j.integer("lease"));
    t.retry_delay = nanoseconds(i.integer("retry_delay"));
    t.retry_infrastructure = static_cast<std::uint32_t>(i.integer("max_retries"));
    t.ageing = nanoseconds(j.integer("ageing"));
    t.any_tenant = {static_cast<std::uint32_t>(j.integer("tenant_weight")),
                    static_cast<std::uint64_t>(j.integer("tenant_max_waiting"))};
    for (const auto& [name, section] : bound.tenants) {
        auto& rules = t.tenants[name] = t.any_tenant;
        if (const auto weight = section->integer("weight")) rules.weight = static_cast<std::uint32_t>(weight);
        if (const auto most = section->integer("max_waiting")) rules.most = static_cast<std::uint64_t>(most);
    }
    for (const auto& [name, section] : bound.queues)
        t.queues[name].most = static_cast<std::uint64_t>(section->integer("max_waiting"));
    return t;
}

}  // namespace sigrun
