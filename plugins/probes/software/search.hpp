// Which known programs lie in the folders where programs are looked for.
#pragma once

#include "catalogue.hpp"

#include <sigrun/cpp/sysroot.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sigrun::software {

/// What is not a file; an empty function does not exist here (a recorded tree).
struct machine_calls {
    std::function<std::string()> path;           // this process's PATH
    std::function<double()> seconds_of_program;  // since the program began that this process is, or is a helper of
};
machine_calls live_calls();

struct found_program {
    const known_program* what = nullptr;
    std::string path;                // as found: /usr/bin/gcc
    std::string target;              // behind all links: /usr/bin/x86_64-linux-gnu-gcc-12
    std::vector<std::string> names;  // file names on the way there: gcc, gcc-12, x86_64-linux-gnu-gcc-12
    struct stat info {};             // of the target
};

struct search_result {
    std::size_t folders = 0;  // that exist
    bool cut = false;         // there is more than is looked at
    std::vector<found_program> programs;
};

/// Where pyenv, rbenv, asdf and others keep scripts that choose a version, or find none, when they are run.
bool in_shims(std::string_view path) noexcept;

constexpr std::size_t k_max_folders = 64, k_max_programs = 192, k_max_path = 256;

/// PATH of the process, the usual folders, those of JDKs and of Go, and `more`, in this order; each once. Folders on file
/// systems of other machines are left out: reading one that is dead blocks for ever.
std::vector<std::string> program_folders(const sdk::sysroot& root, const machine_calls& calls,
                                         const std::vector<std::string>& more);

/// Programs by name; the same file is listed once for each thing it is. The first of a name is what a shell would run.
search_result search(const sdk::sysroot& root, const std::vector<std::string>& folders);

}  // namespace sigrun::software
