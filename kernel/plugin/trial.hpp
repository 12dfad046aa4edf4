// A plugin's first steps in a process of their own: static constructors, entry, load, and one instance per component with
// defaults. Whoever crashes, hangs or exits there has not touched the program that wants to use it.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/plugin/trial_limits.hpp"

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// What main() begins with: `PROGRAM --plugin-host FOLDER` is the child of a trial. Returns its exit code, or -1 if these
/// are the arguments of an ordinary start.
int run_as_plugin_host(int argc, char** argv);

struct trial_setting {
    std::string program;  // calls run_as_plugin_host
    std::string scratch;  // the trial gets a folder of its own below
    trial_limits limits{};
    const std::atomic<bool>* give_up = nullptr;  // once true, the trial ends as unavailable
};
/// Runs the trial of these bytes. Blocks, `limits.wall` at most. A problem says what the plugin did. `kinds`: filled with
/// the kinds of its components.
result<void> try_plugin(std::string_view bytes, const trial_setting& setting,
                        std::vector<std::string>* kinds = nullptr);
/// Several in one child: all are good, or a problem of one of them.
result<void> try_plugins(const std::vector<std::string_view>& files, const trial_setting& setting,
                         std::vector<std::string>* kinds = nullptr);

}  // namespace sigrun
