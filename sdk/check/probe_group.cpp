// Probes: facts by their schema, nothing from outside the sysroot, and an end when the host asks for one.
#include "frame_sink.hpp"
#include "rig.hpp"

#include <sigrun/probe.h>

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>

namespace sigrun::check {
namespace {

namespace json = boost::json;
using sdk::concat;

constexpr std::string_view k_probe = "sigrun.probe/1";

struct probing {
    sigrun_instance* instance = nullptr;
    const sigrun_probe* table = nullptr;
};
probing begin_probing(rig& r) {
    probing out;
    const auto* component = r ? r.component_of(k_probe) : nullptr;
    out.instance = component ? r.running(*component) : nullptr;
    const auto* table = out.instance ? r.table<sigrun_probe>(out.instance, *component) : nullptr;
    if (table && SIGRUN_HAS(table, run)) out.table = table;
    return out;
}

// Runs on the work lane; the op. 0: run returned an error.
sigrun_op run(rig& r, const probing& p, const frame_sink& sink, const std::string& sysroot, std::uint64_t deadline_ns) {
    const sigrun_probe_req req{sizeof req, 0, sdk::str("machine"), sdk::str(sysroot), deadline_ns};
    const auto op = r.host().mint("probe.run");
    sigrun_result result = SIGRUN_OK;
    r.host().work("probe.run", [&] { result = p.table->run(p.instance, &req, sink.abi(), op); });
    if (result >= 0) return op;
    r.host().forget(op);
    return 0;
}

bool matches(std::string_view patterns, std::string_view key) {
    while (!patterns.empty()) {
        const auto comma = std::min(patterns.find(','), patterns.size());
        auto pattern = patterns.substr(0, comma);
        patterns.remove_prefix(std::min(comma + 1, patterns.size()));
        if (pattern == key || pattern == "*") return true;
        if (pattern.ends_with('*') && key.starts_with(pattern.substr(0, pattern.size() - 1))) return true;
    }
    return false;
}

template <std::size_t N>
bool one_of(const json::value* v, const std::array<std::string_view, N>& words) {
    const auto* text = v ? v->if_string() : nullptr;
    return text && std::find(words.begin(), words.end(), std::string_view(*text)) != words.end();
}

// What is wrong with one fact; empty = nothing.
std::string fault_of(const json::object& fact) {
    static constexpr std::array<std::string_view, 6> statuses{"ok",          "absent",  "denied",
                                                              "unsupported", "timeout", "error"};
    static constexpr std::array<std::string_view, 4> methods{"read", "derived", "measured", "declared"};
    static constexpr std::array<std::string_view, 4> volatilities{"static", "boot", "slow", "fast"};
    const auto* key = fact.if_contains("key");
    if (!key || !key->is_string() || key->get_string().empty()) return "a fact without a key";
    const std::string name(key->get_string());
    if (!one_of(fact.if_contains("status"), statuses))
        return name + ": status is none of ok absent denied unsupported timeout error";
    const bool ok = fact.at("status").get_string() == "ok";
    if (ok != fact.contains("value"))
        return name + (ok ? ": ok without a value" : ": a value though its status is not ok");
    if (!one_of(fact.if_contains("method"), methods))
        return name + ": method is none of read derived measured declared";
    if (fact.contains("volatility") && !one_of(fact.if_contains("volatility"), volatilities))
        return name + ": volatility is none of static boot slow fast";
    if (const auto* c = fact.if_contains("confidence"))
        if (!c->is_number() || c->to_number<double>() < 0 || c->to_number<double>() > 100)
            return name + ": confidence is not 0 .. 100";
    if (const auto* t = fact.if_contains("ttl_s"))
        if (!t->is_number() || t->to_number<double>() < 0) return name + ": ttl_s is not a number of seconds";
    return {};
}

std::vector<json::object> facts_in(rig& r, const frame_sink& sink, std::string_view keys) {
    std::vector<json::object> out;
    for (const auto& frame : sink.frames()) {
        if (frame.kind != SIGRUN_STATE) {
            r.report().fail("kind/facts-valid", "STATE frames", concat("a frame of kind ", frame.kind));
            continue;
        }
        boost::system::error_code ec;
        const auto document = json::parse(frame.json, ec);
        const auto* object = ec ? nullptr : document.if_object();
        const auto* list = object ? object->if_contains("facts") : nullptr;
        if (!list || !list->is_array()) {
            r.report().fail("kind/facts-valid", R"(JSON {"facts":[...]})", frame.json.substr(0, 120));
            continue;
        }
        for (const auto& item : list->get_array()) {
            const auto* fact = item.if_object();
            const auto fault = fact ? fault_of(*fact) : std::string("a fact that is no object");
            if (!fault.empty()) {
                r.report().fail("kind/facts-valid", "facts as sigrun/probe.h describes them", fault);
                continue;
            }
            if (!matches(keys, fact->at("key").get_string()))
                r.report().fail("kind/facts-keys", concat("keys that match ", keys),
                                std::string(fact->at("key").get_string()));
            out.push_back(*fact);
        }
    }
    return out;
}

void facts(session& s) {
    s.report.begin("kind/facts-valid");
    rig r(s);
    const auto p = begin_probing(r);
    if (!p.table) return;
    const std::string_view keys = sdk::view(p.table->keys);
    {
        s.report.set_context(" on this machine");
        frame_sink sink;
        const auto op = run(r, p, sink, "", in_ms(5000));
        if (op && !r.host().wait(op).done) return s.report.fail("kind/facts-valid", "run completes", "nothing in time");
        facts_in(r, sink, keys);
    }
    s.report.begin("kind/sysroot");
    s.report.set_context(" with an empty sysroot");
    const std::string empty = s.scratch + "/nothing-here";
    std::filesystem::create_directories(empty);
    frame_sink sink;
    const auto op = run(r, p, sink, empty, in_ms(5000));
    if (op && !r.host().wait(op).done)
        return s.report.fail("kind/sysroot", "run completes with an empty sysroot", "nothing in time");
    for (const auto& fact : facts_in(r, sink, keys)) {
        const auto* source = fact.if_contains("source");
        const std::string from = source && source->is_string() ? std::string(source->get_string()) : std::string();
        if (fact.at("status").get_string() == "ok" && from.starts_with('/'))
            s.report.fail("kind/sysroot", "no value from a file when there is no file below the sysroot",
                          concat(std::string_view(fact.at("key").get_string()), " from ", from));
    }
    for (auto id : {"kind/facts-valid", "kind/facts-keys", "kind/sysroot"}) s.report.pass_unless_told(id);
}

void coming_to_an_end(session& s) {
    s.report.begin("kind/cancel");
    rig r(s);
    const auto p = begin_probing(r);
    if (!p.table) return;
    const int limit = static_cast<int>(p.table->hard_ms) + std::min(2000, r.host().patience());
    // A deadline in a moment.
    {
        s.report.begin("kind/deadline");
        frame_sink sink;
        std::atomic<bool> returned{false};
        sigrun_op op = 0;
        std::thread caller([&] {
            op = run(r, p, sink, "", in_ms(50));
            returned = true;
        });
        if (!eventually([&] { return returned.load(); }, limit)) {
            s.report.fail("kind/deadline", "run returns by its deadline of 50 ms",
                          concat("it still runs after ", limit, " ms"));
            ::_exit(42);  // nothing can stop it in here
        }
        caller.join();
        if (op && !r.host().wait(op, limit).done)
            s.report.fail("kind/deadline", "run completes by its deadline of 50 ms",
                          concat("nothing after ", limit, " ms"));
        s.report.pass_unless_told("kind/deadline");
    }
    if (!SIGRUN_HAS(p.table, cancel)) {
        s.report.skip("kind/cancel", "it has no cancel");
    } else {
        // From another thread while it runs, and from the sink on its own stack.
        s.report.begin("kind/cancel");
        frame_sink sink;
        const sigrun_probe_req req{sizeof req, 0, sdk::str("machine"), {nullptr, 0}, in_ms(60'000)};
        const auto op = r.host().mint("probe.run");
        std::atomic<bool> returned{false};
        sigrun_result result = SIGRUN_OK;
        auto cancel = [&] { r.host().here(tag::any, "probe.cancel", [&] { p.table->cancel(p.instance, op); }); };
        sink.before = cancel;
        std::thread caller([&] {
            r.host().work("probe.run", [&] { result = p.table->run(p.instance, &req, sink.abi(), op); });
            returned = true;
        });
        cancel();
        const bool in_time =
            eventually([&] { return returned.load(); }, limit) && (result < 0 || r.host().wait(op, limit).done);
        if (!in_time) {
            s.report.fail("kind/cancel", "run completes soon after cancel", concat("it goes on ", limit, " ms later"));
            ::_exit(42);
        }
        caller.join();
        if (result < 0) r.host().forget(op);
        cancel();  // too late, and harmless
        s.report.pass("kind/cancel");
    }
    s.report.begin("kind/sink-refuses");
    frame_sink sink;
    sink.answer = SIGRUN_E_CANCELLED;
    const auto op = run(r, p, sink, "", in_ms(5000));
    if (op && !r.host().wait(op, 5000 + limit).done)
        s.report.fail("kind/sink-refuses", "run completes when nobody wants the facts", "it did not");
    else
        s.report.pass("kind/sink-refuses");
}

}  // namespace

std::vector<test> probe_tests() {
    return {{"facts", {"kind/facts-valid", "kind/facts-keys", "kind/sysroot"}, &facts, k_probe},
            {"end", {"kind/deadline", "kind/cancel", "kind/sink-refuses"}, &coming_to_an_end, k_probe}};
}

}  // namespace sigrun::check
