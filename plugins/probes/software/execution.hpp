// Runs programs to hear what they say: several at once, each briefly, with nothing inherited, and none left behind.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace sigrun::software {

struct command {
    std::string path;
    std::vector<std::string> arguments;
};

enum class ending {
    exited,       // by itself; see code
    signalled,    // by a signal
    cut,          // it wrote more than is read
    late,         // at the deadline
    not_started,  // see code: the errno value
};
struct answer {
    ending how = ending::not_started;
    int code = 0;
    std::string output;  // standard output and error as they came, at most output_limit bytes
};

struct execution_limits {
    std::chrono::milliseconds deadline{1000};  // of each
    std::size_t parallel = 8;
    std::size_t output_limit = 4096;
};

/// Calls `done` with the answer to each command, in the order in which they end. Each runs in a process group of its own, in
/// the top folder, with an environment of three lines, no input, and limits on processor time, data and files; the group is
/// killed as soon as its leader has ended, has written too much or is late. `go_on` is asked many times a second: false ends
/// all that run. Returns whether every command was answered. Blocks; no process is left when it returns, but for one that
/// made itself a session of its own.
bool run_all(const std::vector<command>& commands, const execution_limits& limits,
             const std::function<void(std::size_t, answer)>& done, const std::function<bool()>& go_on);

}  // namespace sigrun::software
