// Who calls the host from where, how often ops are completed, and whether a drain keeps its time.
#include "conversation.hpp"
#include "frame_sink.hpp"
#include "rig.hpp"

#include <sigrun/executor.h>
#include <sigrun/probe.h>

#include <unistd.h>

#include <atomic>
#include <thread>

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::string_view k_tag_rules[] = {"threads/unregistered", "threads/completed-once", "threads/wrong-lane",
                                            "threads/buffer-references"};

void tags(session& s) {
    s.report.begin("life/cycle");
    rig r(s);
    if (!r) return;
    for (const auto& component : r.about().components) {
        if (!r.bind(component)) continue;
        auto* instance = r.running(component);
        if (!instance) return;
        for (bool later : {false, true}) {
            r.host().answer_calls_later(later);
            exercise(r, instance, component);
        }
        if (const auto op = r.drain(instance, in_ms(500))) r.host().wait(op);
        r.destroy(instance);
    }
    r.finish();
    for (auto id : k_tag_rules) s.report.pass_unless_told(id);
}

void reentry(session& s) {
    s.report.begin("threads/reentry");
    rig r(s);
    if (!r) return;
    for (const auto& component : r.about().components) {
        if (!r.bind(component)) continue;
        auto* instance = r.running(component);
        if (!instance) return;
        // get_interface is [any], so it may come on the stack of every call of the plugin into the host.
        r.host().set_reentry([&, instance](std::string_view slot) {
            const std::string step = concat("get_interface on the stack of ", slot);
            s.report.step(step);
            instance->get_interface(instance, sdk::str(component.kind));
        });
        exercise(r, instance, component);
        if (const auto op = r.drain(instance, in_ms(500))) r.host().wait(op);
        r.destroy(instance);
    }
    s.report.pass_unless_told("threads/reentry");
}

// Something that is still going on when the drain comes. Returns what must be closed afterwards, or -1.
int begin_something(rig& r, sigrun_instance* instance, const component_record& component, frame_sink& sink) {
    const void* table = r.interface(instance, component.kind);
    if (!table) return -1;
    if (component.kind == "sigrun.protocol/1") {
        const auto* serve = static_cast<const sigrun_protocol*>(table)->serve;
        sigrun_op lifetime = 0;
        return serve && SIGRUN_HAS(serve, on_accept) ? stay_connected(r, instance, *serve, &lifetime) : -1;
    }
    if (component.kind == "sigrun.executor/1") {
        const auto* slots = static_cast<const sigrun_executor*>(table);
        const auto& executor = *slots;
        if (executor.flags & SIGRUN_EXECUTOR_INLINE) return -1;
        const sigrun_attempt attempt{sizeof attempt, 1, sdk::str("job"), sdk::str("check:drain")};
        const std::string kind(sdk::view(executor.kinds).substr(0, sdk::view(executor.kinds).find(',')));
        const std::string document = R"({"command":["sleep","60"]})";
        const sigrun_task task{sizeof task, 0, &attempt, sdk::str(kind), sdk::str(document), sdk::str(r.in().scratch),
                               nullptr,     0};
        const auto op = r.host().mint("executor.run");
        std::atomic<bool> returned{false};
        std::thread caller([&] {
            sigrun_result result = SIGRUN_OK;
            r.host().work("executor.run", [&] { result = executor.run(instance, &task, sink.abi(), op); });
            if (result < 0) r.host().forget(op);
            returned = true;
        });
        // A run that blocks until its task has ended is ended first: an instance is not drained with a call inside.
        if (!eventually([&] { return returned.load(); }, 1000) && SIGRUN_HAS(slots, cancel))
            r.host().work("executor.cancel", [&] { executor.cancel(instance, op, 0); });
        caller.join();
    }
    return -1;
}

void drain(session& s) {
    constexpr std::uint64_t k_deadline_ms = 500;
    constexpr std::uint64_t k_allowance_ms = 1000;  // for a machine that is busy with other things
    s.report.begin("threads/drain-deadline");
    std::string note;
    for (bool busy : {false, true}) {
        rig r(s);
        if (!r) return;
        for (const auto& component : r.about().components) {
            if (!r.bind(component)) continue;
            frame_sink sink;
            auto* instance = r.running(component);
            if (!instance) return;
            const int peer = busy ? begin_something(r, instance, component, sink) : -1;
            const auto began = now_ns();
            const auto op = r.drain(instance, in_ms(k_deadline_ms));
            if (op) {
                const bool done = r.host().wait(op, static_cast<int>(k_deadline_ms * 11 / 10 + k_allowance_ms)).done;
                const auto took = (now_ns() - began) / 1'000'000;
                if (!done) {
                    s.report.fail("threads/drain-deadline",
                                  concat("drain of ", component.id, " completes within its ", k_deadline_ms, " ms"),
                                  concat("nothing after ", took, " ms"));
                }
                note += concat(note.empty() ? "" : ", ", busy ? "busy " : "idle ", took, " ms");
            }
            r.destroy(instance);
            if (peer >= 0) ::close(peer);
        }
        r.finish();
        if (const auto open = r.host().open_ops(); !open.empty())
            s.report.fail("life/ops-left", "every op completed when destroy returns", "open: " + open);
    }
    if (!s.report.failed("threads/drain-deadline")) s.report.pass("threads/drain-deadline", note);
}

}  // namespace

std::vector<test> thread_tests() {
    return {{"tags", {std::begin(k_tag_rules), std::end(k_tag_rules)}, &tags},
            {"reentry", {"threads/reentry"}, &reentry},
            {"drain", {"threads/drain-deadline"}, &drain}};
}

}  // namespace sigrun::check
