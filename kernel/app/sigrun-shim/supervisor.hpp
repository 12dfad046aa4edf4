// Runs the steps of a plan one after another and ends with no process left.
//
//   running --last step ended--> settling --no child--> done
//      |                            |
//      +--KILL or executor died--> TERM --grace over--> KILL, repeated until wait() finds no child
//
// Background processes of one step live on during the next one. Single-threaded.
#pragma once

#include "plan.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

namespace sigrun::shim {

class supervisor {
public:
    /// `children` is a signalfd for SIGCHLD, which is blocked. Borrows both descriptors.
    supervisor(int control, int children, const plan& what);
    /// Returns after the EXITED message.
    void run();

private:
    using clock = std::chrono::steady_clock;

    void start_step();
    void reap();
    void step_ended();
    void read_control();
    void begin_ladder(std::chrono::nanoseconds grace);
    void kill_rest();
    void wait_for_event();
    void send(std::uint32_t type, const void* body, std::size_t size) const;
    void report();

    int control_;
    int children_;
    const plan& plan_;
    clock::time_point began_ = clock::now();
    sigrun_shim_exited result_{};
    std::size_t step_ = 0;
    pid_t main_ = 0;  // of the running step
    bool last_step_over_ = false;
    bool no_child_ = false;
    std::optional<clock::time_point> kill_at_;
    std::optional<clock::time_point> give_up_at_;
    std::string inbox_;
};

}  // namespace sigrun::shim
