// Problem documents (RFC 9457) and what they are as HTTP. Pure.
#pragma once

#include "wire/text.hpp"

#include <sigrun/base.h>
#include <sigrun/cpp/problem.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun::http {

using sdk::code_of_result;
using sdk::problem;  // one that this plugin found by itself
using sdk::problem_of;
using sdk::to_json;

/// The HTTP status for a code; 500 for unknown ones.
int status_of_code(std::string_view code) noexcept;

/// A problem document as an answer.
struct problem_reply {
    int status = 500;
    std::uint32_t retry_after_s = 0;  // 0 = no header
    std::string body;
};
/// From the problem JSON a reply or a failed call carries; text that is none becomes a new document around
/// it.
problem_reply read_problem(std::string_view json, sigrun_result result);

}  // namespace sigrun::http
