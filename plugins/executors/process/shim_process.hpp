// One running sigrun-shim: its control socket, its output pipes and its pidfd.
#pragma once

#include "descriptor.hpp"

#include <sigrun/shim.h>

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace sigrun::process {

struct shim_process {
    pid_t pid = 0;
    descriptor exit;     // pidfd: readable when the shim is gone; the owner reaps it
    descriptor control;  // all non-blocking
    descriptor out, err;
};

struct shim_plan {
    std::vector<std::vector<std::string>> steps;
    std::vector<std::string> environment;
    std::string workdir;
    std::uint64_t grace_ns = 0;
};

/// The START message, or empty when it would be larger than SIGRUN_SHIM_MAX_MESSAGE.
std::string encode(const shim_plan& plan);

/// Starts the shim and hands it `message`. `label` shows in ps. Throws sdk::failure; then nothing is left running.
shim_process start_shim(const std::string& program, const std::string& label, std::string_view message);

/// The option's value; else sigrun-shim beside the running executable; else its bare name, looked up in PATH.
std::string find_shim(const std::string& configured);

}  // namespace sigrun::process
