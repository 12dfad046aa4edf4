#include "kernel/serve/router.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/serve/audit.hpp"
#include "kernel/serve/call_context.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/request_context.hpp>

#include <algorithm>
#include <charconv>
#include <thread>

namespace sigrun {
namespace {

std::string shown(const json::value& v) { return json::serialize(v).substr(0, 80); }

}  // namespace

result<json::object> parse_params(std::string_view params, std::initializer_list<std::string_view> known) {
    if (params.empty()) return json::object{};
    auto o = parse_object(params);
    if (!o) {
        auto p = o.error();
        p.field = "params";
        return p;
    }
    for (const auto& [k, v] : *o) {
        if (std::find(known.begin(), known.end(), std::string_view(k)) != known.end()) continue;
        std::vector<std::string> names(known.begin(), known.end());
        std::string expected;
        for (const auto& n : names) expected += (expected.empty() ? "one of " : ", ") + n;
        if (names.empty()) expected = "no parameters";
        return problem{errc::unknown_field, "unknown parameter", std::string(k), expected,
                       "\"" + std::string(k) + "\""};
    }
    return o;
}

result<std::string> required_text(const json::object& o, std::string_view name) {
    auto text = text_or(o, name);
    if (text.empty()) return bad_value(std::string(name), "a text", "nothing");
    return std::string(text);
}

result<std::uint64_t> number_param(const json::object& o, std::string_view name, std::uint64_t otherwise,
                                   std::uint64_t min, std::uint64_t max) {
    const auto* v = o.if_contains(name);
    if (!v || v->is_null()) return otherwise;
    std::uint64_t n = 0;
    bool good = false;
    if (v->is_string()) {
        std::string_view t = v->get_string();
        auto [end, ec] = std::from_chars(t.data(), t.data() + t.size(), n);
        good = ec == std::errc() && end == t.data() + t.size() && !t.empty();
    } else if (v->is_number()) {
        boost::system::error_code ec;
        n = v->to_number<std::uint64_t>(ec);
        good = !ec;
    }
    if (!good || n < min || n > max)
        return bad_value(std::string(name), "a whole number from " + std::to_string(min) + " to " + std::to_string(max),
                         shown(*v));
    return n;
}

result<bool> bool_param(const json::object& o, std::string_view name, bool otherwise) {
    const auto* v = o.if_contains(name);
    if (!v || v->is_null()) return otherwise;
    if (v->is_bool()) return v->get_bool();
    if (v->is_string())
        if (auto b = parse_bool(v->get_string())) return *b;
    return bad_value(std::string(name), "true or false", shown(*v));
}

result<nanoseconds> duration_param(const json::object& o, std::string_view name, nanoseconds otherwise) {
    const auto* v = o.if_contains(name);
    if (!v || v->is_null()) return otherwise;
    if (!v->is_string()) return bad_value(std::string(name), "a duration such as \"30s\"", shown(*v));
    auto d = parse_duration(v->get_string());
    if (d) return *d;
    auto p = d.error();
    p.field = name;
    return p;
}

router::router(metrics& numbers) : numbers_(numbers) {}

void router::add(std::string name, method_fn method) {
    auto calls = numbers_.get_counter("sigrun_calls_total", "Method calls", {{"method", name}});
    methods_.emplace(std::move(name), entry{std::move(method), calls});
}

std::vector<std::string> router::methods() const {
    std::vector<std::string> out;
    for (const auto& [name, e] : methods_) out.push_back(name);
    return out;
}

sigrun_result router::begin(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                            std::uint64_t* call_id, sigrun_error* error, protocol_traffic* over) noexcept {
    *call_id = 0;
    struct pin {
        std::atomic<std::uint32_t>& count;
        explicit pin(std::atomic<std::uint32_t>& c) : count(c) { count.fetch_add(1); }
        ~pin() { count.fetch_sub(1); }
    } running(running_);
    return sdk::guarded(error, [&]() -> sigrun_result {
        auto params = sdk::view(call.params);
        std::string left;
        call_origin origin{{}, {}, over, {}};
        auto refuse = [&](const problem& p) {
            if (over) over->calls_failed.fetch_add(1, std::memory_order_relaxed);
            if (origin.request_id.empty()) origin.request_id = new_request_id();
            SIGRUN_LOG(logs::serve, debug, "request ", origin.request_id, ": ", sdk::view(call.method).substr(0, 80),
                       " is refused: ", p.field, p.field.empty() ? "" : ": ", p.message);
            return sdk::report(error, p.to_abi(), sdk::problem_with_request_id(p.to_json(), origin.request_id));
        };
        if (over) {
            over->calls.fetch_add(1, std::memory_order_relaxed);
            over->in.add(call.params.len + call.json.len + (call.payload ? call.payload->length : 0));
            origin.begun = clock::system().now();
        }
        auto context = take_context(params, left);
        if (!context) return refuse(context.error());
        origin.request_id = std::move(context->request_id);
        if (stopping_) return refuse({errc::unavailable, "the daemon is stopping", "", "", "", 1000});
        std::string_view name = sdk::view(call.method);
        caller who;
        const bool asked = gate_ && gate_->required();
        const bool audited = audit_ && audit::tells_of(name);
        if (audit_ && origin.request_id.empty()) origin.request_id = new_request_id();
        if (gate_ && (asked || audited)) who = gate_->identify(session, sdk::view(call.auth));
        const audit::subject subject{name, params, origin.request_id, over ? std::string_view(over->name) : "",
                                     session};
        if (asked) {
            // Before anything else: a stranger is not even told which methods there are.
            if (auto good = gate_->check(who, name); !good) {
                if (audit_) audit_->refused(subject, who, good.error().to_json());
                return refuse(good.error());
            }
        }
        auto it = methods_.find(name);
        if (it == methods_.end()) {
            auto near = nearest_name(name, methods());
            return refuse({errc::not_found, "no such method", "method",
                           near.empty() ? std::string("a method of this daemon") : "perhaps \"" + near + "\"",
                           "\"" + std::string(name.substr(0, 80)) + "\""});
        }
        it->second.calls.add();
        std::string told;
        if (audited) told = audit_->begin(subject, who);
        origin.method = it->first;
        auto state = std::make_shared<inbound_call>(session, replies, std::move(origin));
        if (audited)
            state->on_answer([to = audit_, told = std::move(told)](bool failed, std::string_view answer) {
                to->finish(told, failed, answer);
            });
        call_input in{it->first,    params,  sdk::view(call.json),  sdk::view(call.auth), context->trace_parent,
                      call.payload, session, asked ? &who : nullptr};
        try {
            it->second.run(in, state);
        } catch (const std::exception& e) {
            SIGRUN_LOG(logs::serve, error, "request ", state->name(), ": method ", name, " failed: ", e.what());
            state->fail(make_problem(errc::internal, "the method failed; the log says why"));
        }
        if (state->settled()) return SIGRUN_OK;
        std::uint64_t number = next_id_.fetch_add(1, std::memory_order_relaxed);
        shard& s = shards_[number % shards_.size()];
        {
            std::lock_guard lock(s.mutex);
            // Calls that ended by themselves are swept out now and then, at a cost that doubles away.
            if (s.open.size() >= s.sweep_at) {
                std::erase_if(s.open, [](const auto& e) { return e.second->settled(); });
                s.sweep_at = std::max<std::size_t>(256, 2 * s.open.size());
            }
            s.open.emplace(number, state);
        }
        *call_id = number;
        return SIGRUN_PENDING;
    });
}

call_ptr router::find(std::uint64_t call_id) {
    shard& s = shards_[call_id % shards_.size()];
    std::lock_guard lock(s.mutex);
    auto it = s.open.find(call_id);
    return it == s.open.end() ? nullptr : it->second;
}

void router::resume(std::uint64_t call_id) noexcept {
    if (auto call = find(call_id)) call->resume();
}

void router::end(std::uint64_t call_id, sigrun_fn done, void* ctx) noexcept {
    call_ptr call;
    {
        shard& s = shards_[call_id % shards_.size()];
        std::lock_guard lock(s.mutex);
        auto it = s.open.find(call_id);
        if (it != s.open.end()) {
            call = std::move(it->second);
            s.open.erase(it);
        }
    }
    if (call)
        call->end(done, ctx);
    else if (done)
        done(ctx);
}

void router::stop() {
    stopping_ = true;
    while (running_.load() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    // They stay in the table until their callers end them: a sink may still be in use, and what waits for room there is
    // offered again.
    std::vector<call_ptr> open;
    for (auto& s : shards_) {
        std::lock_guard lock(s.mutex);
        for (const auto& [number, call] : s.open) open.push_back(call);
    }
    for (const auto& call : open) call->fail({errc::unavailable, "the daemon is stopping", "", "", "", 1000});
}

}  // namespace sigrun
