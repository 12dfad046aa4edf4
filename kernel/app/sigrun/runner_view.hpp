// How runners look on a terminal. Pure: RUNNER in, text out.
#pragma once

#include "kernel/app/sigrun/terminal.hpp"
#include "kernel/base/json.hpp"

#include <cstdint>
#include <string>

namespace sigrun::cli {

std::string runner_table(const json::array& runners, const terminal& where, std::int64_t now_ns);
/// `all_facts`: every fact in groups instead of the summary.
std::string runner_details(const json::object& runner, bool all_facts, const terminal& where, std::int64_t now_ns);
/// "build-1 is draining: disk swap"
std::string runner_line(const json::object& runner, const terminal& where);

}  // namespace sigrun::cli
