#include "kernel/metrics/exposition.hpp"
#include "kernel/select/predicate.hpp"
#include "kernel/serve/demand_view.hpp"

namespace sigrun {
namespace {

constexpr std::size_t k_longest_text = 200;  // of a requirement that is the value of a label

/// Not in the middle of a character.
std::string shortened(std::string text) {
    if (text.size() <= k_longest_text) return text;
    std::size_t end = k_longest_text;
    while (end && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u) --end;
    return text.substr(0, end) + "...";
}

}  // namespace

void write_demand_metrics(exposition& out, demand_view& of, bool with_requirements) {
    demand_question what;
    what.limit = of.series();
    const auto answer = of.ask(what);
    const auto tell = [&](std::string_view name, std::string_view help, auto value) {
        out.family(name, "gauge", help);
        for (const auto& each : answer->classes)
            out.sample({{"class", each.id()}}, static_cast<double>(value(each.jobs)));
        out.sample({{"class", ""}}, static_cast<double>(value(answer->other)));
    };
    tell("sigrun_demand_queued",
         "Jobs that wait for a place, by requirement; those beyond [metrics] demand_classes under class=\"\"",
         [](const demand_sums& s) { return s.queued; });
    tell("sigrun_demand_oldest_wait_seconds", "How long the one has waited for a place that has waited longest",
         [&](const demand_sums& s) { return s.oldest_wait_s(answer->at); });
    tell("sigrun_demand_shortfall", "Places that are missing to start all jobs that wait for one",
         [](const demand_sums& s) { return s.shortfall; });
    tell("sigrun_demand_running", "Jobs that have a runner", [](const demand_sums& s) { return s.running; });
    tell("sigrun_demand_unsatisfiable", "Jobs that wait for a place, and no runner that is known matches",
         [](const demand_sums& s) { return s.unsatisfiable; });
    out.family("sigrun_demand_class_info", "gauge",
               "1; the requirement of a class, perhaps shortened, and the kind of its jobs");
    for (const auto& each : answer->classes) {
        const auto text =
            with_requirements ? shortened(demand_class::text(*each.pred, each.kind)) : std::string("not told");
        out.sample({{"class", each.id()}, {"requires", text}, {"kind", each.kind}}, 1);
    }
    out.sample({{"class", ""}, {"requires", "all others"}, {"kind", ""}}, 1);
    out.family("sigrun_idle_runners", "gauge", "Runners that are online and had no job for five minutes");
    out.sample({}, static_cast<double>(answer->idle_runners));
}

}  // namespace sigrun
