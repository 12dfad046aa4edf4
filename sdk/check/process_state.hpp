// What of this process a plugin might change or leave behind, read from the kernel and the C library.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace sigrun::check {

/// Open descriptors with what they are; not the one used for looking.
std::map<int, std::string> open_descriptors();
std::vector<pid_t> threads_of_this_process();
/// Direct children, also those that are dead and not waited for.
std::vector<pid_t> children_of_this_process();
/// Everything below this process that still runs (no zombies).
std::vector<pid_t> living_descendants();
/// Ends and reaps every child of this process.
void kill_children();
/// Resident private memory in bytes.
std::size_t private_memory();

/// Everything that rule R15 puts off limits, as texts that can be compared: "SIGINT" -> "default".
struct process_settings {
    std::map<std::string, std::string> signals, environment;
    std::string locale, umask, folder, terminate, float_mode;
};
process_settings read_settings();
/// What differs, e.g. "SIGUSR1: default before, a handler after"; empty = nothing.
std::string difference(const std::map<std::string, std::string>& before,
                       const std::map<std::string, std::string>& after);

/// Waits until `done` holds; false after `limit_ms`.
template <class Done>
bool eventually(const Done& done, int limit_ms = 3000);
void nap(int ms) noexcept;

template <class Done>
bool eventually(const Done& done, int limit_ms) {
    for (int waited = 0;; waited += 2) {
        if (done()) return true;
        if (waited >= limit_ms) return false;
        nap(2);
    }
}

}  // namespace sigrun::check
