// One running sigrun-shim: its control socket and its pidfd. Started here, or found again after an earlier agent.
#pragma once

#include "descriptor.hpp"
#include "setting_plan.hpp"

#include <sigrun/shim.h>

#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::process {

struct shim_process {
    pid_t pid = 0;
    bool ours = true;    // a child of this process, to be waited for
    descriptor exit;     // pidfd: readable when the shim is gone
    descriptor control;  // non-blocking; missing while the shim of an earlier agent does not listen yet
};

struct shim_plan {
    std::vector<std::vector<std::string>> steps;
    std::vector<bool> may_fail{};  // of each step; empty: none may
    std::vector<std::string> environment;
    std::vector<std::string> secrets;  // texts to be kept out of the output
    std::string workdir;
    sigrun_shim_start terms{};  // without the counts
    std::optional<sigrun_shim_limits> limits;
    std::optional<setting_plan> setting;
    std::string workspace;  // of a job with limits or a setting
};

/// The START message, or empty when it would be larger than SIGRUN_SHIM_MAX_MESSAGE.
std::string encode(const shim_plan& plan);

/// Descriptors that the shim gets, borrowed; -1: not this one.
struct shim_files {
    int spool = -1, folder = -1, group = -1;
    std::array<int, 3> v1{-1, -1, -1};  // cgroups of memory, pids, cpu
};

/// Starts the shim and hands it `message`. `label` shows in ps. Throws sdk::failure; then nothing is left running.
shim_process start_shim(const std::string& program, const std::string& label, std::string_view message,
                        const shim_files& files);

/// The connection to a shim that waits in this folder; empty: none listens there now.
descriptor connect_shim(const descriptor& folder);

/// False: the message did not go out.
bool send_order(const descriptor& control, std::uint32_t type, const void* body, std::size_t size);

/// Empty: there is no such process.
descriptor watch_process(pid_t pid);

/// The option's value; else sigrun-shim beside the running executable; else its bare name, looked up in PATH.
std::string find_shim(const std::string& configured);

}  // namespace sigrun::process
