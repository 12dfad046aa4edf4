// Starts one step: a new session, a clean signal state, the working directory, then exec.
#pragma once

#include <sigrun/shim.h>

#include <sys/types.h>

#include <cstdint>

namespace sigrun::shim {

struct spawn_result {
    pid_t pid = 0;            // 0: not started
    std::uint32_t stage = 0;  // SIGRUN_SHIM_STAGE_* that failed
    int error = 0;            // errno
};

/// Returns when exec has succeeded or failed in the child. argv[0] without a slash is looked up in the PATH of
/// `environment`; nothing is ever given to a shell.
spawn_result spawn(char* const* argv, char* const* environment, const char* workdir);

}  // namespace sigrun::shim
