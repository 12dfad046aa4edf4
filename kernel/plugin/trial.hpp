// A plugin's first steps in a process of their own: static constructors, entry, load, and one instance per component with
// defaults. Whoever crashes, hangs or exits there has not touched the program that wants to use it.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// What main() begins with: `PROGRAM --plugin-host FOLDER` is the child of a trial. Returns its exit code, or -1 if these
/// are the arguments of an ordinary start.
int run_as_plugin_host(int argc, char** argv);

/// Runs the trial of these bytes with `program` (which calls run_as_plugin_host) in a folder of its own below `scratch`.
/// Blocks, `limit` at most. A problem says what the plugin did. `kinds`: filled with the kinds of its components.
result<void> try_plugin(std::string_view bytes, const std::string& program, const std::string& scratch,
                        nanoseconds limit, std::vector<std::string>* kinds = nullptr);
/// Several in one child: all are good, or a problem of one of them.
result<void> try_plugins(const std::vector<std::string_view>& files, const std::string& program,
                         const std::string& scratch, nanoseconds limit, std::vector<std::string>* kinds = nullptr);

}  // namespace sigrun
