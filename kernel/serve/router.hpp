// Inbound calls -> methods. Plugins hand in a method name and texts; nothing here knows a wire protocol.
#pragma once

#include "kernel/auth/gate.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/json.hpp"
#include "kernel/plugin/plugin_host.hpp"
#include "kernel/serve/call.hpp"

#include <array>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>

namespace sigrun {

class audit;

/// What a method gets. Texts are borrowed until the method returns.
struct call_input {
    std::string_view method, params, document, auth;
    std::string_view request_id;    // as its caller named it, or made up
    std::string_view trace_parent;  // W3C traceparent of the caller; empty: none
    sigrun_buf* payload = nullptr;
    std::uint64_t session = 0;
    const caller* who = nullptr;  // null: nobody asks
};
using method_fn = std::function<void(const call_input&, const call_ptr&)>;

/// A method's params, checked: unknown names are refused. Usage:
///   auto args = parse_params(in.params, {"id", "grace"});
result<json::object> parse_params(std::string_view params, std::initializer_list<std::string_view> known);
/// Readers with the problem an API user needs. Numbers and booleans may come as texts (query strings).
result<std::string> required_text(const json::object& o, std::string_view name);
result<std::uint64_t> number_param(const json::object& o, std::string_view name, std::uint64_t otherwise,
                                   std::uint64_t min, std::uint64_t max);
result<bool> bool_param(const json::object& o, std::string_view name, bool otherwise);
result<nanoseconds> duration_param(const json::object& o, std::string_view name, nanoseconds otherwise);

class router final : public call_handler {
public:
    explicit router(metrics& numbers);
    /// Before the first call; it outlives the calls.
    void set_gate(gate& who) noexcept { gate_ = &who; }
    /// Before the first call; it outlives the calls.
    void set_audit(audit& log) noexcept { audit_ = &log; }
    /// Before the first call.
    void add(std::string name, method_fn method);
    std::vector<std::string> methods() const;

    sigrun_result begin(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                        std::uint64_t* call_id, sigrun_error* error, protocol_traffic* over) noexcept override;
    void resume(std::uint64_t call_id) noexcept override;
    void end(std::uint64_t call_id, sigrun_fn done, void* ctx) noexcept override;
    /// No new calls from now on; returns when no method runs; calls that wait are told that the daemon stops.
    void stop();

private:
    struct entry {
        method_fn run;
        counter calls;
    };
    struct shard {
        std::mutex mutex;
        std::unordered_map<std::uint64_t, call_ptr> open;
        std::size_t sweep_at = 256;
    };
    call_ptr find(std::uint64_t call_id);

    metrics& numbers_;
    gate* gate_ = nullptr;
    audit* audit_ = nullptr;
    std::map<std::string, entry, std::less<>> methods_;
    std::array<shard, 16> shards_;
    std::atomic<std::uint64_t> next_id_{1};
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint32_t> running_{0};
};

}  // namespace sigrun
