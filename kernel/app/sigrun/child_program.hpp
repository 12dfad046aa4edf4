// A program that this one started: its output line by line, and its end. Ended with the object, by SIGTERM, and by SIGKILL
// when that is not enough; it also ends when this process dies.
#pragma once

#include "kernel/base/result.hpp"

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sigrun::cli {

class child_program {
public:
    /// `on_line` runs on a thread of its own for each line of stdout and stderr, without the line end.
    static result<std::unique_ptr<child_program>> start(const std::vector<std::string>& argv,
                                                        std::function<void(std::string_view)> on_line);
    ~child_program();
    child_program(const child_program&) = delete;
    child_program& operator=(const child_program&) = delete;

    /// The wait status once it has ended; does not wait.
    std::optional<int> ended();
    /// SIGTERM, then SIGKILL after ten seconds; waits for the end.
    void stop();

private:
    child_program(pid_t pid, int output, std::function<void(std::string_view)> on_line);

    pid_t pid_;
    std::optional<int> status_;
    std::atomic<bool> over_{false};  // before the thread that reads it
    std::thread reader_;
};

}  // namespace sigrun::cli
