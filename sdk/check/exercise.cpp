// A little of what each kind is for, the same way every time.
#include "conversation.hpp"
#include "fleet.hpp"
#include "frame_sink.hpp"
#include "made_up_classes.hpp"
#include "rig.hpp"

#include <sigrun/balancer.h>
#include <sigrun/executor.h>
#include <sigrun/probe.h>
#include <sigrun/store.h>

#include <unistd.h>

#include <filesystem>
#include <vector>

namespace sigrun::check {
namespace {

using sdk::concat;

std::string never(std::string_view what) { return concat("the op of ", what, " was not completed in time"); }

std::string probe(rig& r, sigrun_instance* instance, const sigrun_probe& table) {
    frame_sink sink;
    const std::string empty = r.in().scratch + "/empty";
    std::filesystem::create_directories(empty);
    const sigrun_probe_req req{sizeof req, 0, sdk::str("machine"), sdk::str(empty), in_ms(5000)};
    const auto op = r.host().mint("probe.run");
    sigrun_result result = SIGRUN_OK;
    r.host().work("probe.run", [&] { result = table.run(instance, &req, sink.abi(), op); });
    if (result < 0) {
        r.host().forget(op);
        return concat("run: ", result_name(result));
    }
    return r.host().wait(op).done ? std::string() : never("probe.run");
}

/// Of a balancer that chooses among the others.
std::string decision(rig& r, sigrun_instance* instance, const sigrun_balancer* table) {
    const auto& policies = made_up_policies();
    if (SIGRUN_HAS(table, policies))
        r.host().work("balancer.policies",
                      [&] { table->policies(instance, policies.data(), static_cast<std::uint32_t>(policies.size())); });
    const auto stats = made_up_classes(20);
    std::vector<sigrun_choice> choices(stats.size() * SIGRUN_PRIORITIES);
    std::uint32_t n = 0;
    r.host().work("balancer.decide", [&] {
        n = table->decide(instance, stats.data(), static_cast<std::uint32_t>(stats.size()), choices.data());
    });
    return n ? std::string() : std::string("decide chose nothing for any of 21 classes");
}

std::string balancer(rig& r, sigrun_instance* instance, const sigrun_balancer* table) {
    fleet f(4);
    void* state = nullptr;
    if (SIGRUN_HAS(table, thread_init))
        r.host().work("balancer.thread_init", [&] { state = table->thread_init(instance, 0); });
    if (SIGRUN_HAS(table, on_snapshot)) {
        const sigrun_delta all{sizeof all, 0, 0, nullptr};
        r.host().work("balancer.on_snapshot", [&] { table->on_snapshot(instance, &f.view(), &all); });
    }
    std::uint32_t placed = 0;
    const auto& pages = f.pages_of(true);
    r.host().here(tag::hot, "balancer.pick", [&] {
        for (std::uint64_t i = 0; i < 64; ++i) {
            const auto req = f.request(i);
            sigrun_pick pick{};
            placed += table->pick(state, &f.view(), &req, 1, pages.data(), &pick);
        }
    });
    if (SIGRUN_HAS(table, done)) {
        const sigrun_done over{0, 0, 0, 10, 10, 0};
        r.host().here(tag::hot, "balancer.done", [&] { table->done(state, &over, 1); });
    }
    if (SIGRUN_HAS(table, thread_fini))
        r.host().work("balancer.thread_fini", [&] { table->thread_fini(instance, state); });
    if (SIGRUN_HAS(table, decide)) return decision(r, instance, table);
    return placed ? std::string() : std::string("pick placed none of 64 jobs in an idle fleet");
}

std::string executor(rig& r, sigrun_instance* instance, const sigrun_executor& table) {
    frame_sink sink;
    const auto kinds = std::string(sdk::view(table.kinds));
    const std::string document = executor_document(kinds);
    const sigrun_attempt attempt{sizeof attempt, 1, sdk::str("018f0000-0000-7000-8000-000000000001"),
                                 sdk::str("check:1")};
    const std::string workspace = r.in().scratch;
    const sigrun_task task{sizeof task,
                           0,
                           &attempt,
                           sdk::str(std::string_view(kinds).substr(0, kinds.find(','))),
                           sdk::str(document),
                           sdk::str(workspace),
                           nullptr,
                           in_ms(10'000)};
    const auto op = r.host().mint("executor.run");
    sigrun_result result = SIGRUN_OK;
    r.host().work("executor.run", [&] { result = table.run(instance, &task, sink.abi(), op); });
    if (result < 0) {
        r.host().forget(op);
        return {};  // a document that this executor does not know is refused; that is an answer
    }
    return r.host().wait(op, 2 * r.host().patience()).done ? std::string() : never("executor.run");
}

std::string store(rig& r, sigrun_instance* instance, const sigrun_store& table) {
    sigrun_fence fence{sizeof fence, 0, 0};
    auto op = r.host().mint("store.own");
    sigrun_result result = SIGRUN_OK;
    r.host().work("store.own", [&] { result = table.own(instance, SIGRUN_OWN_TAKE, &fence, 0, op); });
    if (result < 0) {
        r.host().forget(op);
        return concat("own: ", result_name(result));
    }
    if (!r.host().wait(op).done) return never("store.own");
    op = r.host().mint("store.scan");
    r.host().work("store.scan", [&] { result = table.scan(instance, 0, 0, 10, op); });
    if (result < 0) {
        r.host().forget(op);
        return concat("scan: ", result_name(result));
    }
    return r.host().wait(op).done ? std::string() : never("store.scan");
}

std::string protocol(rig& r, sigrun_instance* instance, const sigrun_protocol& table) {
    if (table.serve && SIGRUN_HAS(table.serve, recognise) && SIGRUN_HAS(table.serve, on_accept)) {
        for (const auto& [name, bytes] : corpus_of(r.in().args)) {
            if (recognise(r, instance, *table.serve, bytes) != SIGRUN_OK) continue;
            const auto end = converse(r, instance, *table.serve, bytes, manner::half_close);
            if (end.accepted && !end.lifetime_ended) return never("serve.on_accept");
            break;
        }
    }
    return {};
}

}  // namespace

std::string executor_document(std::string_view kinds) {
    if (kinds.find("call") != kinds.npos) return R"({"kind":"call","command":["echo"]})";
    return R"({"kind":"process","command":["true"]})";
}

std::string exercise(rig& r, sigrun_instance* instance, const component_record& component) {
    const void* table = r.interface(instance, component.kind);
    if (!table) return concat("get_interface of ", component.kind, " returned NULL");
    if (component.kind == "sigrun.probe/1") return probe(r, instance, *static_cast<const sigrun_probe*>(table));
    if (component.kind == "sigrun.balancer/1") return balancer(r, instance, static_cast<const sigrun_balancer*>(table));
    if (component.kind == "sigrun.executor/1")
        return executor(r, instance, *static_cast<const sigrun_executor*>(table));
    if (component.kind == "sigrun.store/1") return store(r, instance, *static_cast<const sigrun_store*>(table));
    if (component.kind == "sigrun.protocol/1")
        return protocol(r, instance, *static_cast<const sigrun_protocol*>(table));
    return {};
}

}  // namespace sigrun::check
