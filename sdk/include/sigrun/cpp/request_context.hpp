// sigrun/cpp/request_context.hpp: what a request is called and what trace it is part of, as members of a call's params. Protocols that have
// headers for it (X-Request-Id, traceparent) put them in; over others the caller does. Every method takes both. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace sigrun::sdk {

inline constexpr std::string_view k_request_id = "request_id";
inline constexpr std::string_view k_trace_parent = "traceparent";

/// 1 to 128 letters, digits and ._:/+=@-: nothing that a log, a header or JSON would have to escape.
[[nodiscard]] inline bool is_request_id(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("._:/+=@-").find(c) != std::string_view::npos;
    });
}
inline constexpr std::string_view k_request_id_form = "1 to 128 letters, digits and ._:/+=@-";

/// W3C Trace Context: "00-" 32 hexadecimal digits "-" 16 "-" 2, in lower case, neither id all zeros. Of later versions that much, too.
[[nodiscard]] inline bool is_trace_parent(std::string_view text) noexcept {
    const auto hex = [&](std::size_t from, std::size_t n) {
        return std::all_of(text.begin() + static_cast<std::ptrdiff_t>(from),
                           text.begin() + static_cast<std::ptrdiff_t>(from + n),
                           [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    };
    const auto zeros = [&](std::size_t from, std::size_t n) {
        return text.substr(from, n).find_first_not_of('0') == std::string_view::npos;
    };
    if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
    if (!hex(0, 2) || !hex(3, 32) || !hex(36, 16) || !hex(53, 2)) return false;
    const auto version = text.substr(0, 2);
    if (version == "ff" || (version == "00" && text.size() != 55) || (text.size() > 55 && text[55] != '-'))
        return false;
    return !zeros(3, 32) && !zeros(36, 16);
}

/// `params` (empty, or the text of a JSON object) with these in front of its members; empty ones are left out. Both must be of their forms.
[[nodiscard]] inline std::string with_request_context(std::string_view params, std::string_view request_id,
                                                      std::string_view trace_parent) {
    if (request_id.empty() && trace_parent.empty()) return std::string(params);
    std::string out = "{";
    const auto add = [&](std::string_view name, std::string_view value) {
        if (value.empty()) return;
        if (out.size() > 1) out += ',';
        out.append("\"").append(name).append("\":\"").append(value).append("\"");
    };
    add(k_request_id, request_id);
    add(k_trace_parent, trace_parent);
    const auto first = params.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return out + "}";
    if (params[first] != '{') return std::string(params);  // no object: whoever reads it says so
    const auto rest = params.substr(first + 1);
    const auto next = rest.find_first_not_of(" \t\r\n");
    if (next != std::string_view::npos && rest[next] != '}') out += ',';
    return out.append(rest);
}

/// The problem document with a member that names the request, unless it has one.
[[nodiscard]] inline std::string problem_with_request_id(std::string_view problem, std::string_view request_id) {
    std::string out(problem);
    const auto end = out.rfind('}');
    if (request_id.empty() || end == std::string::npos || out.find("\"request_id\":") != std::string::npos) return out;
    const auto last = out.find_last_not_of(" \t\r\n", end - 1);
    const bool empty = end == 0 || last == std::string::npos || out[last] == '{';
    out.insert(end, std::string(empty ? "" : ",") + "\"request_id\":\"" + std::string(request_id) + "\"");
    return out;
}

}  // namespace sigrun::sdk
