// Trials at the start of the program. Who passed one is remembered by hash in the state folder, so that only files that are
// new here cost a start anything; and those are tried together first, because nearly always all are good.
// Used by one thread.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/plugin/trial.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

class first_trials {
public:
    /// An empty `program`: no trials, everything passes. An empty `state_dir`: nothing is remembered.
    first_trials(const std::string& state_dir, std::string program, trial_limits limits);
    /// Tries those of `files` (the bytes of each) that are not known, in one child; says nothing about them if not all pass.
    void try_together(const std::vector<std::string>& files);
    /// Known to be good, or tried now, alone.
    result<void> pass(std::string_view bytes);

private:
    void remember(const std::string& sha256);

    std::string memory_;
    trial_setting setting_;
    std::set<std::string> good_;
};

}  // namespace sigrun
