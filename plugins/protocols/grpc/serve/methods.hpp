// How the methods of the gRPC services map to those of the kernel. Pure.
#pragma once

#include "wire/problem.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sigrun::grpc {

/// What a request becomes.
struct call_parts {
    std::string method;
    std::string params;
    std::string document;
    std::string payload;
    bool has_payload = false;
};

/// One reply of the host.
struct reply_parts {
    std::string_view json;
    std::string_view payload;
    bool has_payload = false;
    bool last = false;
};

enum class shape { unary, streaming, session, health_check, health_watch };

struct method {
    std::string_view path;
    shape replies;
    /// Nothing, or why the request is none. Null for sessions and health.
    std::optional<problem> (*parse)(std::string_view request, call_parts& out);
    /// The answer's message; nothing if this reply brings none.
    std::optional<std::string> (*render)(const reply_parts& reply);
};

const method* find_method(std::string_view path) noexcept;
/// "sigrun.v1.Jobs" and the like: served here.
bool is_service(std::string_view name) noexcept;

}  // namespace sigrun::grpc
