// A sigrun-shim that waits, and becomes the shims of jobs by copies of itself: see sigrun/shim.h. It is started with the first
// job, again when it has died, and ends with this object.
#pragma once

#include "shim_process.hpp"

#include <cstdint>
#include <mutex>
#include <string>

namespace sigrun::process {

/// Any thread may use it.
class shim_template {
public:
    explicit shim_template(std::string program) : program_(std::move(program)) {}
    shim_template(const shim_template&) = delete;
    shim_template& operator=(const shim_template&) = delete;
    ~shim_template() { end(); }

    const std::string& program() const noexcept { return program_; }

    /// A new shim that has `control` and `files` and is a child of this process; 0: there is none, and it is to be started
    /// as a program. `control` is used up. `answer` is its other end, blocking, with a limit for receiving.
    pid_t make(const std::string& label, descriptor& control, int answer, const shim_files& files);

private:
    bool begin();
    void end() noexcept;

    const std::string program_;
    std::mutex mutex_;
    descriptor socket_;
    pid_t pid_ = 0;
    std::uint64_t begun_ = 0;  // counts them
    int failed_ = 0;           // births in a row
};

}  // namespace sigrun::process
