// Problem documents (RFC 9457) and what they are as HTTP. Pure.
#pragma once

#include "wire/mismatch.hpp"
#include "wire/utf8.hpp"

#include <sigrun/base.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun::http {

/// A problem this plugin found by itself.
struct problem {
    std::string_view code;  // invalid, not_found ...: the kernel's stable words
    std::string title;
    std::string field{};
    std::string expected{};
    std::string found{};
};
std::string to_json(const problem& p);
/// Code invalid. A mismatch that names no field is one of `otherwise`.
problem problem_of(const mismatch& why, std::string_view otherwise);

/// The HTTP status for a code; 500 for unknown ones.
int status_of_code(std::string_view code) noexcept;
/// The code for an ABI result.
std::string_view code_of_result(sigrun_result result) noexcept;

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
