// One run of a program that is told something: a text on its standard input, variables, and a time by which it has to end.
#pragma once

#include "kernel/base/clock.hpp"

#include <string>
#include <vector>

namespace sigrun {

struct hook_call {
    std::vector<std::string> command;  // the program's path first
    std::string input;
    std::vector<std::string> environment;  // "NAME=value", beside this process's own
    nanoseconds timeout;
};

struct hook_end {
    enum class kind { done, failed, timed_out, stopped };
    kind how = kind::done;
    std::string why;     // "exit code 3"; empty: done
    std::string output;  // the last lines of what it said
    nanoseconds took{0};
};

/// Waits for its end. It has a process group of its own; when its time is over, or `stop` becomes readable, the group is asked to
/// end and after two seconds killed. What it leaves behind when it ends by itself goes on.
hook_end run_hook(const hook_call& what, int stop);

}  // namespace sigrun
