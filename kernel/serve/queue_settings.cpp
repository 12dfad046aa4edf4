#include "kernel/serve/queue_settings.hpp"

namespace sigrun {
namespace {

struct priority_balancer {
    priority_band band;
    std::string balancer;
};

result<priority_balancer> read_rule(const std::string& item) {
    const auto eq = item.find('=');
    const auto band = parse_priority(item.substr(0, eq));
    if (!band || eq == std::string::npos || eq + 1 == item.size())
        return bad_value("balancer.priority_rule", "PRIORITY=BALANCER, such as critical=least_connections",
                         "\"" + item + "\"");
    return priority_balancer{*band, item.substr(eq + 1)};
}

problem no_balancer(const std::string& field, const std::string& name, const std::vector<std::string>& names) {
    std::string all;
    for (const auto& each : names) all += (all.empty() ? "one of " : ", ") + each;
    return bad_value(field, all.empty() ? "a balancer plugin to be loaded" : all, "\"" + name + "\"");
}

}  // namespace

result<void> check_queue_settings(const daemon_settings& bound, const std::function<bool(const std::string&)>& loaded,
                                  const std::vector<std::string>& names) {
    for (const auto& item : bound.at("balancer").list("priority_rule")) {
        SIGRUN_TRY(rule, read_rule(item));
        if (!loaded(rule.balancer)) return no_balancer("balancer.priority_rule", rule.balancer, names);
    }
    for (const auto& [name, section] : bound.queues) {
        const auto balancer = section->text("balancer");
        if (!balancer.empty() && !loaded(balancer)) return no_balancer("queue " + name + ".balancer", balancer, names);
    }
    return {};
}

artifact_limits artifact_limits_of(const daemon_settings& bound) {
    const auto& j = bound.at("jobs");
    const auto bytes = [&j](const char* name) { return static_cast<std::uint64_t>(j.integer(name)); };
    return {bytes("artifact_limit"), bytes("job_artifacts_limit"), bytes("artifact_store_limit")};
}

engine_tuning engine_tuning_of(const daemon_settings& bound) {
    const auto& j = bound.at("jobs");
    const auto& i = bound.at("interface");
    engine_tuning t;
    t.max_waiting = static_cast<std::uint64_t>(j.integer("max_waiting"));
    t.keep_finished = static_cast<std::size_t>(j.integer("keep_finished"));
    t.keep_finished_for = nanoseconds(j.integer("keep_finished_for"));
    t.keep_keys = nanoseconds(j.integer("key_lifetime"));
    t.max_keys = static_cast<std::size_t>(j.integer("max_keys"));
    t.lease = nanoseconds(j.integer("lease"));
    t.retry_delay = nanoseconds(i.integer("retry_delay"));
    t.retry_infrastructure = static_cast<std::uint32_t>(i.integer("max_retries"));
    t.early_reoffer = j.boolean("early_reoffer");
    t.trace_every = static_cast<std::uint32_t>(bound.at("balancer").integer("trace_every"));
    t.hedge = {j.real("hedge_budget"), j.real("hedge_quantile"), j.real("hedge_max_load")};
    t.poison_after = static_cast<std::uint32_t>(j.integer("poison_after"));
    t.retry_budget = j.real("retry_budget");
    t.ageing = nanoseconds(j.integer("ageing"));
    t.any_tenant = {static_cast<std::uint32_t>(j.integer("tenant_weight")),
                    static_cast<std::uint64_t>(j.integer("tenant_max_waiting")), j.real("tenant_submit_rate"),
                    static_cast<std::uint32_t>(j.integer("tenant_submit_burst"))};
    for (const auto& [name, section] : bound.tenants) {
        auto& rules = t.tenants[name] = t.any_tenant;
        if (const auto weight = section->integer("weight")) rules.weight = static_cast<std::uint32_t>(weight);
        if (const auto most = section->integer("max_waiting")) rules.most = static_cast<std::uint64_t>(most);
        if (const auto rate = section->real("submit_rate"); rate > 0) {
            rules.rate = rate;
            rules.burst = static_cast<std::uint32_t>(section->integer("submit_burst"));
        }
    }
    for (const auto& [name, section] : bound.groups)
        t.groups[name] = {static_cast<std::uint32_t>(section->integer("max")), section->real("rate"),
                          static_cast<std::uint32_t>(section->integer("burst"))};
    for (const auto& [name, section] : bound.queues)
        t.rules.queues[name] = {static_cast<std::uint64_t>(section->integer("max_waiting")), section->text("balancer"),
                                parse_priority(section->text("priority")).value_or(priority_band::normal)};
    for (const auto& item : bound.at("balancer").list("priority_rule"))
        if (auto rule = read_rule(item)) t.rules.balancers[static_cast<std::size_t>(rule->band)] = rule->balancer;
    t.sticky = bound.at("balancer").boolean("enable_sticky_sessions");
    return t;
}

}  // namespace sigrun
