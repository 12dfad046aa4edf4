// Hosts that lack things: services, slots, values. And one that has more than this plugin knows.
#include "rig.hpp"

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::string_view k_services[] = {SIGRUN_SVC_LOG,  SIGRUN_SVC_BUFFER, SIGRUN_SVC_SCHED, SIGRUN_SVC_CALL,
                                           SIGRUN_SVC_LINK, SIGRUN_SVC_METRIC, SIGRUN_SVC_NET};

// Works or says why not; never dies.
void try_all(session& s, const faults& withheld, std::string_view rule_id, const std::string& what) {
    s.report.set_context(concat(" with ", what));
    rig r(s, withheld);
    if (!r) return;
    auto refused = [&](std::string_view slot, const answer& a) {
        if (!a.ok() && a.text.empty())
            s.report.fail(rule_id, concat(slot, " with ", what, " works or says why not"), result_name(a.code));
        return !a.ok();
    };
    if (refused("load", r.load())) return;
    for (const auto& component : r.about().components) {
        sigrun_instance* made = nullptr;
        if (!r.bind(component) || refused("create", r.create(component, &made))) continue;
        if (!refused("start", r.start(made))) {
            exercise(r, made, component);
            if (const auto op = r.drain(made, in_ms(500))) r.host().wait(op);
        }
        r.destroy(made);
    }
}

void missing(session& s) {
    s.report.begin("hostile-host/missing-service");
    for (auto id : k_services)
        try_all(s, {0, std::string(id), {}, 0, 0}, "hostile-host/missing-service", concat("no ", id));
    try_all(s, {0, "*", {}, 0, 0}, "hostile-host/missing-service", "no service at all");
    s.report.pass_unless_told("hostile-host/missing-service");
}

void cut(session& s) {
    s.report.begin("hostile-host/cut-tables");
    const std::pair<const char*, std::uint32_t> tables[] = {
        {SIGRUN_SVC_LOG, sizeof(sigrun_svc_log)},     {SIGRUN_SVC_BUFFER, sizeof(sigrun_svc_buffer)},
        {SIGRUN_SVC_SCHED, sizeof(sigrun_svc_sched)}, {SIGRUN_SVC_CALL, sizeof(sigrun_svc_call)},
        {SIGRUN_SVC_LINK, sizeof(sigrun_svc_link)},   {SIGRUN_SVC_METRIC, sizeof(sigrun_svc_metric)},
        {SIGRUN_SVC_NET, sizeof(sigrun_svc_net)}};
    for (const auto& [id, size] : tables)
        for (std::uint32_t at = 8; at < size; at += 8)
            try_all(s, {0, {}, id, at, 0}, "hostile-host/cut-tables", concat(id, " of ", at, " bytes"));
    s.report.pass_unless_told("hostile-host/cut-tables");
}

void larger(session& s) {
    s.report.begin("hostile-host/larger-tables");
    s.report.set_context(" with a newer host's tables");
    faults newer;
    newer.grown = 64;
    rig r(s, newer);
    if (!r) return;
    for (const auto& component : r.about().components) {
        if (!r.bind(component)) continue;
        auto* instance = r.running(component);
        if (!instance) return;
        if (const auto problem = exercise(r, instance, component); !problem.empty())
            return s.report.fail("hostile-host/larger-tables", "it works with a newer host", problem);
        r.destroy(instance);
    }
    s.report.pass_unless_told("hostile-host/larger-tables");
}

void empty_config(session& s) {
    s.report.begin("hostile-host/no-values");
    s.report.set_context(" when the host has no value for any option");
    rig r(s);
    if (!r) return;
    if (auto a = r.load(); !a.ok()) return;
    sigrun_config none{};
    none.struct_size = sizeof none;
    none.revision = 1;
    none.get_str = [](const sigrun_config*, sigrun_str, std::uint32_t, sigrun_str*) -> sigrun_result {
        return SIGRUN_E_NOT_FOUND;
    };
    none.get_i64 = [](const sigrun_config*, sigrun_str, std::uint32_t, std::int64_t*) -> sigrun_result {
        return SIGRUN_E_NOT_FOUND;
    };
    none.get_f64 = [](const sigrun_config*, sigrun_str, std::uint32_t, double*) -> sigrun_result {
        return SIGRUN_E_NOT_FOUND;
    };
    const guarded_table<sigrun_config> table(none);
    for (const auto& component : r.about().components) {
        sigrun_instance* made = nullptr;
        auto a = r.create(component, *table.get(), &made);
        if (!a.ok() && a.text.empty())
            s.report.fail("hostile-host/no-values", "create works or says which option has no value",
                          result_name(a.code));
        if (a.ok()) r.destroy(made);
    }
    s.report.pass_unless_told("hostile-host/no-values");
}

}  // namespace

std::vector<test> hostile_tests() {
    return {{"missing-service", {"hostile-host/missing-service"}, &missing},
            {"cut-tables", {"hostile-host/cut-tables"}, &cut, {}, 2},
            {"larger-tables", {"hostile-host/larger-tables"}, &larger},
            {"no-values", {"hostile-host/no-values"}, &empty_config}};
}

}  // namespace sigrun::check
