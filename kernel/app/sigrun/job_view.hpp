// How jobs look on a terminal. Pure: JOB in, text out.
#pragma once

#include "kernel/app/sigrun/table.hpp"
#include "kernel/base/json.hpp"

#include <cstdint>
#include <string>

namespace sigrun::cli {

std::string job_table(const json::array& jobs, const terminal& where, std::int64_t now_ns);
std::string job_details(const json::object& job, const terminal& where, std::int64_t now_ns);
/// The answer of jobs.explain.
std::string explanation(const json::object& answer, const terminal& where);
/// The last 12 digits of a UUID: random, short enough for a table, accepted by every job command.
std::string short_id(std::string_view uuid);
/// A command as one would type it: words with anything special in single quotes.
std::string command_text(const json::object& job);

}  // namespace sigrun::cli
