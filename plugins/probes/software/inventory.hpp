// lang[], tool[] and pkg.*: what is found, and what files say about versions.
#pragma once

#include "packages.hpp"
#include "search.hpp"

#include <sigrun/cpp/probe.hpp>

namespace sigrun::software {

/// One program with what is known about its version.
struct entry {
    found_program program;
    std::string version;   // empty: unknown
    std::string found_by;  // where the version comes from: release-file package file-name execution; else path
    bool verified = false;
};

struct inventory {
    std::size_t folders = 0;
    bool cut = false;
    std::vector<entry> entries;
};

inventory take_inventory(const sdk::sysroot& root, const package_database& packages,
                         const std::vector<std::string>& folders);

/// The facts lang and tool. `info` says how they were found out; without any program folder they are absent.
void write_lists(const inventory& found, sdk::fact_writer& facts, sdk::fact_info info);
void write_packages(const package_database& packages, sdk::fact_writer& facts);

/// Everything that files tell.
void collect(const sdk::sysroot& root, const machine_calls& calls, const std::vector<std::string>& more_folders,
             sdk::probe_run& run);

}  // namespace sigrun::software
