// Starts a program beside this one: in a process group of its own, with no signal blocked, and with chosen descriptors. [any]
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

namespace sigrun {

/// Descriptor `own` of this process is `its` in the program.
struct given_descriptor {
    int own, its;
};

/// What the program finds besides.
struct program_surroundings {
    std::vector<std::string> environment{};  // "NAME=value": beside, or in place of, variables of this process
    bool usual_signals = false;              // none is ignored, as this process may do
};

/// 0 and the process, or an errno value. Other descriptors are inherited unless they close on exec; an `own` that is the `its`
/// of another must not be given.
int start_program(pid_t& process, const std::string& program, std::vector<std::string> arguments,
                  std::span<const given_descriptor> descriptors, const program_surroundings& around = {});

}  // namespace sigrun
