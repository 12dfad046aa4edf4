// The live machine's answers.
#include "search.hpp"

#include <sigrun/cpp/procfs.hpp>

#include <unistd.h>

#include <cstdlib>
#include <ctime>

namespace sigrun::software {
namespace {

/// Seconds since a process began; 0 if it cannot be told.
double age_of(const sdk::sysroot& root, const std::string& process) {
    // The name, which may hold anything, ends at the last parenthesis; the 20th word after it is the start in ticks.
    const auto stat = root.read("/proc/" + process + "/stat", 4096);
    const auto words = sdk::words(std::string_view(stat.text).substr(std::min(stat.text.rfind(')'), stat.text.size())));
    const auto start = words.size() > 20 ? sdk::parse_u64(words[20]) : std::nullopt;
    timespec now{};
    if (!start || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0;
    const double began = static_cast<double>(*start) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    return std::max(static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9 - began, 0.0);
}

/// A process for probes is the program that started it, once more.
double seconds_of_program() {
    const sdk::sysroot root;
    const std::string parent = std::to_string(::getppid());
    const auto mine = root.link("/proc/self/exe"), theirs = root.link("/proc/" + parent + "/exe");
    return age_of(root, mine && theirs && mine.text == theirs.text ? parent : "self");
}

}  // namespace

machine_calls live_calls() {
    machine_calls calls;
    calls.path = [] {
        const char* path = std::getenv("PATH");
        return std::string(path ? path : "").substr(0, k_max_folders * k_max_path);
    };
    calls.seconds_of_program = seconds_of_program;
    return calls;
}

}  // namespace sigrun::software
