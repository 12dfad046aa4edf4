// Runs the steps of a plan one after another and ends with no process left.
//
//   running --last step ended--> settling --no process--> draining the pipes --all in the spool--> done
//      |                            |
//      +--KILL, timeout, orphaned--> TERM --grace over--> KILL, repeated until wait() finds no child and the cgroup is empty
//
// Background processes of one step live on during the next one. Single-threaded.
#pragma once

#include "executor_channel.hpp"
#include "job_group.hpp"
#include "keeper.hpp"
#include "limits.hpp"
#include "output.hpp"
#include "plan.hpp"
#include "spool_writer.hpp"
#include "workspace_watch.hpp"

#include <sys/types.h>

#include <chrono>
#include <optional>

namespace sigrun::shim {

class supervisor {
public:
    /// `children` is a signalfd for SIGCHLD, which is blocked. The other descriptors are those of sigrun/shim.h.
    supervisor(int children, const plan& what);
    /// False: the spool or the pipes cannot be used.
    bool prepare();
    /// Returns after the end is in the spool and the EXITED message is sent.
    void run();

private:
    using clock = std::chrono::steady_clock;

    bool begin_setting();
    void start_step();
    void reap();
    void step_ended();
    void note_step();
    bool goes_on() const;
    bool tree_is_empty();
    bool output_is_over();
    void look_at_clock();
    void begin_ladder(std::uint32_t cause, std::chrono::nanoseconds grace);
    void kill_rest();
    void wait_for_event();
    void look_at_executor();
    void take_order(const sigrun_shim_head& head, const char* body);
    void executor_gone();
    void nobody_comes();
    void tell_of_output();
    void look_at_disk();
    void measure();
    void report();

    int children_;
    const plan& plan_;
    spool_writer spool_{SIGRUN_SHIM_SPOOL_FD};
    output output_;
    job_group group_;
    keeper keeper_;
    limits limits_;
    workspace_watch workspace_;
    executor_channel executor_;
    clock::time_point began_ = clock::now();
    sigrun_shim_exited result_{};
    sigrun_shim_measured measured_{}, before_step_{};
    std::size_t step_ = 0;
    sigrun_shim_stepped stepped_{};  // the running step
    clock::time_point step_began_{};
    pid_t main_ = 0;  // of the running step
    bool last_step_over_ = false;
    bool no_child_ = false;
    bool gave_up_ = false;          // processes are left that cannot be killed
    bool given_up_on_ = false;      // no executor will read the spool
    bool told_ = false;             // WRITTEN was sent and not answered
    std::uint64_t read_up_to_ = 0;  // by the executor
    std::optional<clock::time_point> deadline_;
    std::optional<clock::time_point> orphan_until_;
    std::optional<clock::time_point> kill_at_;
    std::optional<clock::time_point> give_up_at_;
    std::optional<clock::time_point> drain_until_;
};

}  // namespace sigrun::shim
