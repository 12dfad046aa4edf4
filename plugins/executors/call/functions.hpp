// The functions a call job can name. Add one here and it can be called.
#pragma once

#include <sigrun/cpp/host.hpp>

#include <span>
#include <string_view>

namespace sigrun::call {

/// Answers `op` exactly once, within microseconds. [any], never blocks.
using function = void (*)(const sdk::host& host, sigrun_buf* payload, sigrun_op op);

struct named_function {
    std::string_view name;
    function run;
};

std::span<const named_function> functions() noexcept;

inline constexpr int k_wrong_use = 2;  // the exit code of a document or payload that makes no sense

/// Completes `op` as a failure of class user.
void fail(const sdk::host& host, sigrun_op op, sigrun_result result, std::string_view code, std::string_view message,
          int exit_code) noexcept;

}  // namespace sigrun::call
