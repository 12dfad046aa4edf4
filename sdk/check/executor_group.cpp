// Executors: documents they do not know, ends that are asked for, and no process that outlives its op.
#include "frame_sink.hpp"
#include "rig.hpp"

#include <sigrun/executor.h>

#include <boost/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace sigrun::check {
namespace {

namespace json = boost::json;
using sdk::concat;

constexpr std::string_view k_executor = "sigrun.executor/1";

struct executing {
    sigrun_instance* instance = nullptr;
    const sigrun_executor* table = nullptr;
    std::string kind;
    bool is_inline() const noexcept { return table->flags & SIGRUN_EXECUTOR_INLINE; }
};
executing begin_executing(rig& r) {
    executing out;
    const auto* component = r ? r.component_of(k_executor) : nullptr;
    out.instance = component ? r.running(*component) : nullptr;
    const auto* table = out.instance ? r.table<sigrun_executor>(out.instance, *component) : nullptr;
    if (!table || !SIGRUN_HAS(table, run)) return out;
    out.table = table;
    out.kind = sdk::view(table->kinds).substr(0, sdk::view(table->kinds).find(','));
    return out;
}

// The op; 0: refused at once.
sigrun_op run(rig& r, const executing& e, const frame_sink& sink, std::string_view document, const std::string& kind) {
    const sigrun_attempt attempt{sizeof attempt, 1, sdk::str("018f0000-0000-7000-8000-000000000002"),
                                 sdk::str("check:run")};
    const guarded_bytes exact(document.data(), document.size());
    const sigrun_task task{
        sizeof task, 0, &attempt, sdk::str(kind), {exact.data(), exact.size()}, sdk::str(r.in().scratch), nullptr, 0};
    const auto op = r.host().mint("executor.run");
    sigrun_result result = SIGRUN_OK;
    r.host().work("executor.run", [&] { result = e.table->run(e.instance, &task, sink.abi(), op); });
    if (result >= 0) return op;
    r.host().forget(op);
    return 0;
}

void strange_documents(session& s) {
    s.report.begin("kind/unknown-document");
    rig r(s);
    const auto e = begin_executing(r);
    if (!e.table) return;
    const std::string documents[] = {"",
                                     "{}",
                                     "null",
                                     "[1,2",
                                     "{\"command\":7}",
                                     R"({"command":["no-such-program-anywhere-1"]})",
                                     std::string(2000, '['),
                                     std::string("{\"command\":[\"a\0b\"]}", 19),
                                     "{\"command\":[\"\xff\xfe\"]}"};
    for (const auto& document : documents) {
        const std::string shown = document.size() > 60 ? document.substr(0, 60) + "..." : document;
        s.report.set_context(concat(" for the document ", shown));
        frame_sink sink;
        const auto op = run(r, e, sink, document, e.kind);
        if (!op) continue;
        const auto how = r.host().wait(op, 2 * r.host().patience());
        if (!how.done)
            return s.report.fail("kind/unknown-document", concat("an end for the document ", shown), "none in time");
        if (how.result >= 0)
            return s.report.fail("kind/unknown-document", concat("an error for the document ", shown), "it ran");
        boost::system::error_code ec;
        const auto text = json::parse(how.text, ec);
        const auto* o = ec ? nullptr : text.if_object();
        if (!o || !o->contains("class") || !o->contains("code") || !o->contains("message"))
            s.report.fail("kind/outcome-json", "an error carries JSON with class, code and message",
                          how.text.empty() ? "nothing" : how.text.substr(0, 200));
    }
    s.report.pass_unless_told("kind/unknown-document");
    s.report.pass_unless_told("kind/outcome-json");
}

// The same from a thread of its own, for a run that blocks until the task has ended. 0: refused, or not back yet.
struct started {
    std::thread caller;
    std::atomic<bool> returned{false};
    std::atomic<sigrun_op> op{0};
    void begin(rig& r, const executing& e, const frame_sink& sink, std::string_view document) {
        op = r.host().mint("executor.run");
        caller = std::thread([this, &r, &e, &sink, text = std::string(document)] {
            const sigrun_attempt attempt{sizeof attempt, 1, sdk::str("018f0000-0000-7000-8000-000000000003"),
                                         sdk::str("check:run")};
            const sigrun_task task{sizeof task, 0, &attempt, sdk::str(e.kind), sdk::str(text), sdk::str(r.in().scratch),
                                   nullptr,     0};
            sigrun_result result = SIGRUN_OK;
            r.host().work("executor.run", [&] { result = e.table->run(e.instance, &task, sink.abi(), op); });
            if (result < 0) r.host().forget(op);
            returned = true;
        });
    }
};

// After the op: what is below this process now was left behind, but for the helpers that an executor keeps for all its tasks.
bool nothing_runs(session& s, const std::vector<pid_t>& helpers, std::string_view when) {
    auto left = living_descendants();
    std::erase_if(left, [&](pid_t pid) { return std::find(helpers.begin(), helpers.end(), pid) != helpers.end(); });
    if (left.empty()) return true;
    s.report.fail("kind/no-process-left", "no process of the task when its op is completed",
                  concat(left.size(), " ", when));
    return false;
}

void process_trees(session& s) {
    auto skip_all = [&](const std::string& why) {
        for (auto id : {"kind/no-process-left", "kind/cancel-run"}) s.report.skip(id, why);
    };
    s.report.begin("kind/no-process-left");
    rig r(s);
    const auto e = begin_executing(r);
    if (!e.table) return;
    if (e.is_inline()) return skip_all("its tasks run inline");
    frame_sink quick;
    const auto probe = run(r, e, quick, R"({"command":["true"]})", e.kind);
    if (!probe) return skip_all("it takes no commands");
    const auto first = r.host().wait(probe, 2 * r.host().patience());
    if (!first.done)
        return s.report.fail("kind/no-process-left", "the command `true` comes to an end", "nothing in time");
    if (first.result < 0) return skip_all(concat("it runs no commands: ", first.text.substr(0, 200)));
    // Those that came with the first task; what the next ones leave behind is more.
    const auto helpers = living_descendants();
    frame_sink again;
    const auto second = run(r, e, again, R"({"command":["true"]})", e.kind);
    if (!second || !r.host().wait(second, 2 * r.host().patience()).done)
        return s.report.fail("kind/no-process-left", "the command `true` comes to an end again", "nothing in time");
    if (!nothing_runs(s, helpers, "after `true`")) return;

    // A task that leaves a process in a session of its own behind.
    frame_sink sink;
    auto op = run(r, e, sink, R"({"command":["sh","-c","setsid sleep 300 & (sleep 300 &) ; exit 0"]})", e.kind);
    if (!op || !r.host().wait(op, 3 * r.host().patience()).done)
        return s.report.fail("kind/no-process-left", "a task with processes in the background comes to an end",
                             "nothing in time");
    if (!nothing_runs(s, helpers, "after a task that left them in the background")) return;
    s.report.pass_unless_told("kind/no-process-left");

    s.report.begin("kind/cancel-run");
    if (!SIGRUN_HAS(e.table, cancel)) return s.report.skip("kind/cancel-run", "it has no cancel");
    frame_sink running;
    started task;
    task.begin(r, e, running, R"({"command":["sh","-c","trap '' TERM; sleep 300 & while :; do sleep 300; done"]})");
    eventually([&] { return !running.frames().empty(); }, r.host().patience());
    nap(100);  // so that the shell has come to its trap; earlier is fine, too
    r.host().work("executor.cancel", [&] { e.table->cancel(e.instance, task.op, 200'000'000); });
    const auto how = r.host().wait(task.op, 200 + r.host().patience());
    if (!how.done) {
        s.report.fail("kind/cancel-run", "a cancelled task ends after its grace of 200 ms", "nothing in time");
        ::_exit(42);  // nothing can stop it in here
    }
    task.caller.join();
    if (how.result != SIGRUN_E_CANCELLED)
        s.report.fail("kind/cancel-run", "a cancelled task ends with CANCELLED", result_name(how.result));
    else if (nothing_runs(s, helpers, "after a cancel"))
        s.report.pass("kind/cancel-run");
    // Too late: an error or nothing, but no second end.
    r.host().work("executor.cancel", [&] { e.table->cancel(e.instance, task.op, 1); });
}

void ends_with_destroy(session& s) {
    s.report.begin("kind/ends-with-destroy");
    rig r(s);
    const auto e = begin_executing(r);
    if (!e.table) return;
    if (e.is_inline()) return s.report.skip("kind/ends-with-destroy", "its tasks run inline");
    frame_sink sink;
    started task;
    task.begin(r, e, sink, R"({"command":["sleep","300"]})");
    if (!eventually([&] { return task.returned.load(); }, 1000)) {
        s.report.skip("kind/ends-with-destroy", "its run blocks until the task has ended");
        ::_exit(42);
    }
    task.caller.join();
    r.destroy(e.instance);
    if (!r.host().completed(task.op))
        return s.report.fail("kind/ends-with-destroy", "open ops are completed before destroy returns",
                             "executor.run is open");
    if (const auto left = living_descendants(); !left.empty())
        return s.report.fail("kind/ends-with-destroy", "no process after destroy",
                             concat(left.size(), " still running"));
    s.report.pass("kind/ends-with-destroy");
}

}  // namespace

std::vector<test> executor_tests() {
    return {{"documents", {"kind/unknown-document", "kind/outcome-json"}, &strange_documents, k_executor, 2},
            {"processes", {"kind/no-process-left", "kind/cancel-run"}, &process_trees, k_executor, 2},
            {"destroy", {"kind/ends-with-destroy"}, &ends_with_destroy, k_executor}};
}

}  // namespace sigrun::check
