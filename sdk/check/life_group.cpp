// The life of generations and instances: many in a row, two at once, none started, and every host call refused in turn.
#include "rig.hpp"

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::uint64_t k_drain_ms = 1000;

// One whole life of every component; false when something failed and was reported.
bool live_once(rig& r) {
    for (const auto& component : r.about().components) {
        if (!r.bind(component)) continue;  // config/defaults tells
        auto* instance = r.running(component);
        if (!instance) return false;
        if (const auto problem = exercise(r, instance, component); !problem.empty()) {
            r.report().fail(r.report().current_rule(), concat("component ", component.id, " does its work"), problem);
            return false;
        }
        if (const auto op = r.drain(instance, in_ms(k_drain_ms))) r.host().wait(op);
        r.destroy(instance);
    }
    return true;
}

void cycles(session& s) {
    s.report.begin("life/cycle");
    for (unsigned turn = 1; turn <= s.args.cycles; ++turn) {
        s.report.set_context(concat(" in round ", turn));
        rig r(s);
        if (!r) return;
        const bool lived = live_once(r);
        r.finish();
        const bool clean = r.report_leftovers();
        if (!lived || !clean) return;
    }
    s.report.pass_unless_told("life/cycle");
    s.report.pass_unless_told("life/exception");
}

void without_start(session& s) {
    s.report.begin("life/without-start");
    rig r(s);
    if (!r) return;
    if (auto a = r.load(); !a.ok()) return s.report.fail("life/without-start", "load works", a.say());
    for (const auto& component : r.about().components) {
        sigrun_instance* made = nullptr;
        if (!r.bind(component)) continue;
        if (auto a = r.create(component, &made); !a.ok())
            return s.report.fail("life/without-start", concat("create of ", component.id, " works"), a.say());
        r.interface(made, component.kind);
        if (const auto op = r.drain(made, in_ms(k_drain_ms)))
            if (!r.host().wait(op).done)
                return s.report.fail("life/without-start", "drain completes, also before start", "it did not");
        r.destroy(made);
    }
    s.report.pass_unless_told("life/without-start");
}

void two_instances(session& s) {
    s.report.begin("life/two-instances");
    rig r(s);
    if (!r) return;
    for (const auto& component : r.about().components) {
        if (!r.bind(component)) continue;
        option_values other;
        for (const auto& option : component.options)
            if (option.type == SIGRUN_OPT_PATH && option.def.len)
                other[std::string(sdk::view(option.key))] = concat("second-", sdk::view(option.def));
        auto* first = r.running(component);
        auto* second = first ? r.running(component, other) : nullptr;
        if (!second) return;
        if (first == second)
            return s.report.fail("life/two-instances", "an instance of its own for each create", "the same one twice");
        for (auto* each : {first, second, first})
            if (const auto problem = exercise(r, each, component); !problem.empty())
                return s.report.fail("life/two-instances", "both instances work", problem);
        r.destroy(first);
        if (const auto problem = exercise(r, second, component); !problem.empty())
            return s.report.fail("life/two-instances", "one works on when the other is gone", problem);
        r.destroy(second);
    }
    s.report.pass_unless_told("life/two-instances");
}

// True: this call was reached. Whatever fails must say why and leave nothing behind.
bool with_call_refused(session& s, std::uint32_t number) {
    s.report.set_context(concat(" while host call ", number, " is refused"));
    faults withheld;
    withheld.fail_call = number;
    rig r(s, withheld);
    if (!r) return false;
    auto silent = [&](std::string_view slot, const answer& a) {
        if (!a.ok() && a.text.empty())
            s.report.fail("life/error-text", concat(slot, " says why it fails"),
                          concat(result_name(a.code), " without a text when ", r.host().injected(), " is refused"));
        return !a.ok();
    };
    if (!silent("load", r.load()))
        for (const auto& component : r.about().components) {
            sigrun_instance* made = nullptr;
            if (!r.bind(component) || silent("create", r.create(component, &made))) continue;
            if (!silent("start", r.start(made)))
                if (const auto op = r.drain(made, in_ms(k_drain_ms))) r.host().wait(op);
            r.destroy(made);
        }
    r.finish();
    const auto hit = r.host().injected();
    const auto refused = hit.empty() ? std::string() : concat(", when ", hit, " was refused");
    if (const auto n = r.host().live_buffers())
        s.report.fail("life/host-faults", "nothing is kept after a failure", concat(n, " buffers", refused));
    if (const auto names = r.host().live_threads(); !names.empty())
        s.report.fail("life/host-faults", "nothing is kept after a failure", concat("thread ", names, refused));
    return !r.host().injected().empty();
}

void host_faults(session& s) {
    s.report.begin("life/host-faults");
    constexpr std::uint32_t k_most = 200;
    std::uint32_t number = 1;
    while (number <= k_most && with_call_refused(s, number)) ++number;
    if (!s.report.failed("life/host-faults"))
        s.report.pass("life/host-faults", concat(number - 1, " host calls refused in turn"));
    s.report.pass_unless_told("life/error-text");
}

}  // namespace

std::vector<test> life_tests() {
    return {{"cycles",
             {"life/cycle", "life/exception", "life/threads-left", "life/fds-left", "life/timers-left",
              "life/buffers-left", "life/ops-left", "life/children-left"},
             &cycles,
             {},
             2},
            {"without-start", {"life/without-start"}, &without_start},
            {"two-instances", {"life/two-instances"}, &two_instances},
            {"host-faults", {"life/host-faults", "life/error-text"}, &host_faults}};
}

}  // namespace sigrun::check
