// What executors say of themselves: facts about what a job can ask of them, by which the runner is picked.
#pragma once

#include "kernel/agent/executor_set.hpp"
#include "kernel/capability/facts.hpp"

#include <functional>
#include <vector>

namespace sigrun {

/// Asks every one that has the slot `describe`, on work threads. `done` is called once, on one of them, with the facts of all; of
/// equal keys the first executor's counts. What cannot be read is logged and left out, and so is what begins with "runner.".
void ask_executors(plugin_host& host, const std::vector<executor_ptr>& whom,
                   std::function<void(std::vector<fact>)> done);

}  // namespace sigrun
