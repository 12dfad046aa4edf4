#include "kernel/serve/call_context.hpp"

#include "kernel/base/id.hpp"
#include "kernel/base/json.hpp"

#include <sigrun/cpp/request_context.hpp>

#include <atomic>

namespace sigrun {
namespace {

/// `{"NAME":"text",...`: takes the member off if the text needs no unescaping.
bool take_first(std::string_view& members, std::string_view name, std::string& out) {
    if (members.size() < name.size() + 5 || members[0] != '"' || members.substr(1, name.size()) != name) return false;
    auto rest = members.substr(1 + name.size());
    if (!rest.starts_with("\":\"")) return false;
    rest.remove_prefix(3);
    const auto end = rest.find_first_of("\"\\");
    if (end == std::string_view::npos || rest[end] == '\\') return false;
    out = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (rest.starts_with(',')) rest.remove_prefix(1);
    members = rest;
    return true;
}

bool mentions(std::string_view params) noexcept {
    return params.find("\"request_id\"") != std::string_view::npos ||
           params.find("\"traceparent\"") != std::string_view::npos;
}

std::string taken(json::object& o, std::string_view name) {
    const auto* v = o.if_contains(name);
    if (!v) return {};
    std::string text = v->is_string() ? std::string(v->get_string()) : json::serialize(*v);
    o.erase(name);
    return text;
}

}  // namespace

result<call_context> take_context(std::string_view& params, std::string& room) {
    call_context out;
    if (!mentions(params)) return out;
    if (params.starts_with('{')) {
        auto rest = params.substr(1);
        const bool named = take_first(rest, sdk::k_request_id, out.request_id);
        const bool traced = take_first(rest, sdk::k_trace_parent, out.trace_parent);
        if (named || traced) {
            if (rest == "}") {
                params = {};
            } else {
                room.assign("{").append(rest);
                params = room;
            }
        }
    }
    if (mentions(params)) {
        if (auto o = parse_object(params)) {  // what is no object is the method's to refuse
            if (auto id = taken(*o, sdk::k_request_id); !id.empty()) out.request_id = std::move(id);
            if (auto trace = taken(*o, sdk::k_trace_parent); !trace.empty()) out.trace_parent = std::move(trace);
            room = json::serialize(*o);
            params = room;
        }
    }
    if (!out.request_id.empty() && !sdk::is_request_id(out.request_id))
        return bad_value(std::string(sdk::k_request_id), std::string(sdk::k_request_id_form),
                         out.request_id.substr(0, 80));
    if (!sdk::is_trace_parent(out.trace_parent)) out.trace_parent.clear();
    return out;
}

std::string new_request_id() {
    static std::atomic<std::uint64_t> next{random_u64()};
    constexpr char k_digits[] = "0123456789abcdef";
    std::string out(16, '0');
    auto n = next.fetch_add(1, std::memory_order_relaxed);
    for (auto at = out.rbegin(); at != out.rend(); ++at, n >>= 4) *at = k_digits[n & 15];
    return out;
}

}  // namespace sigrun
