// What one attempt shall run: the START message, checked and pointed into.
#pragma once

#include <sigrun/shim.h>

#include <string>
#include <vector>

namespace sigrun::shim {

/// Pointers lead into `storage`; NULL-terminated where exec wants it.
struct plan {
    std::string storage;
    const char* workdir = nullptr;
    const char* workspace = "";  // of a job with limits or a setting
    sigrun_shim_start terms{};
    sigrun_shim_limits limits{};
    bool limited = false;
    sigrun_shim_setting setting{};  // all 0 without SIGRUN_SHIM_SET
    const void* groups = nullptr;   // n_groups numbers
    const void* filter = nullptr;   // n_filter instructions
    std::vector<char*> writable;
    std::vector<char*> environment;
    std::vector<std::vector<char*>> steps;
    std::vector<bool> may_fail;        // of each step: the next one is begun all the same
    std::vector<std::string> secrets;  // to be kept out of the output
};

/// Reads one message and fills `out`. False: the peer closed or sent something else.
bool read_plan(int control, plan& out);

}  // namespace sigrun::shim
