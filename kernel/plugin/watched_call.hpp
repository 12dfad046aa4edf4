// A call into a plugin that may never come back.
#pragma once

#include "kernel/base/clock.hpp"

#include <functional>

namespace sigrun {

/// Runs `task` on a thread of its own while the caller waits. False: it had not ended within `limit`; the thread is left
/// to it, and should it end after all, `late` runs there. What both use must be kept alive by them.
bool run_within(nanoseconds limit, std::function<void()> task, std::function<void()> late);

}  // namespace sigrun
