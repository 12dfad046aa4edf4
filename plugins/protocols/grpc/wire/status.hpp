// gRPC status codes, and what the kernel's problem codes and the ABI's results are among them. Pure.
#pragma once

#include <sigrun/base.h>

#include <string>
#include <string_view>

namespace sigrun::grpc {

enum class code : int {
    ok = 0,
    cancelled = 1,
    unknown = 2,
    invalid_argument = 3,
    deadline_exceeded = 4,
    not_found = 5,
    already_exists = 6,
    permission_denied = 7,
    resource_exhausted = 8,
    failed_precondition = 9,
    aborted = 10,
    out_of_range = 11,
    unimplemented = 12,
    internal = 13,
    unavailable = 14,
    data_loss = 15,
    unauthenticated = 16
};

struct status {
    code what = code::ok;
    std::string message{};
    std::string problem{};  // JSON for the trailing metadata; may be empty
    bool ok() const noexcept { return what == code::ok; }
};

/// unknown for words that are none.
code code_of_problem(std::string_view problem_code) noexcept;
/// The word the kernel uses for such a failure.
std::string_view problem_code_of(code c) noexcept;
std::string_view problem_code_of(sigrun_result result) noexcept;
sigrun_result result_of(code c) noexcept;
std::string_view name_of(code c) noexcept;

}  // namespace sigrun::grpc
