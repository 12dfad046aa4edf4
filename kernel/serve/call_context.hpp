// What a call is called and what trace it is part of: members of its params that no method sees (sigrun/cpp/request_context.hpp).
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>

namespace sigrun {

struct call_context {
    std::string request_id;    // as its caller named it; empty: it did not
    std::string trace_parent;  // W3C traceparent; empty: none, or none that can be used
};

/// Takes them out of `params`; `room` holds what is left if anything was. A wrong request id is a problem; a wrong traceparent is no
/// trace, as its specification wants it. What a protocol plugin put in front is found without parsing.
result<call_context> take_context(std::string_view& params, std::string& room);

/// 16 hexadecimal digits, another one each time. [any]
std::string new_request_id();

}  // namespace sigrun
