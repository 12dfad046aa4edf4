// A file of jobs, as people write it, to the document of jobs.submit_many. Pure.
//
//   [defaults]
//   requires = os.name == "debian"
//
//   [job.build]
//   command = make CC={matrix.cc} "all of it"
//   matrix.cc = gcc, clang
//
//   [job.test]
//   needs = build
//   shell = make test &&
//           echo done
//   env.CI = 1
//
// A line that begins with a blank goes on with the value before it, on a new line. # or ; at the beginning of a line is a
// comment, and nowhere else: commands are full of both.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/base/split_words.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun::cli {

/// Sections in their order, keys checked as far as the form needs it: what the daemon does not know it refuses. The problem's field
/// is "NAME:LINE".
result<json::object> jobs_of_ini(std::string_view text, const std::string& name);
/// "a, b (x=1, y=2)" at commas outside of brackets; no empty items.
std::vector<std::string> split_list(std::string_view text);
/// "deploy" or "deploy:2", and a policy or "", as the field `group`.
result<json::value> group_value(std::string_view text, std::string_view policy);

}  // namespace sigrun::cli
