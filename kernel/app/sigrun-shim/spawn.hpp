// Starts one step: a new session, a clean signal state, the working directory, then exec.
#pragma once

#include "keeper.hpp"
#include "limits.hpp"

#include <sys/types.h>

#include <cstdint>

namespace sigrun::shim {

struct spawn_result {
    pid_t pid = 0;            // 0: not started
    std::uint32_t stage = 0;  // SIGRUN_SHIM_STAGE_* that failed
    int error = 0;            // errno
};

struct spawn_place {
    const char* workdir = nullptr;
    int out = -1, err = -1;  // become standard output and standard error
    int group = -1;          // folder of the cgroup to be born in; -1: the shim's own
    const limits* held_to = nullptr;
    const plan* what = nullptr;
    const keeper* within = nullptr;
};

/// Returns when exec has succeeded or failed in the child. argv[0] without a slash is looked up in the PATH of
/// `environment`; nothing is ever given to a shell.
spawn_result spawn(char* const* argv, char* const* environment, const spawn_place& where);

}  // namespace sigrun::shim
