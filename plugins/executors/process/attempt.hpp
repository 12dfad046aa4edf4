// One attempt from the moment its shim runs, or is found again: moves output from the spool to the sink, passes orders on, tells
// when all is over.
//
// Lives on the executor's reader thread only.
#pragma once

#include "controller_groups.hpp"
#include "group_pool.hpp"
#include "outcome.hpp"
#include "shim_process.hpp"
#include "spool_file.hpp"
#include "step_results.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/executor.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

namespace sigrun::process {

/// CLOCK_MONOTONIC.
std::uint64_t monotonic_ns() noexcept;
inline constexpr std::uint64_t k_never = std::numeric_limits<std::uint64_t>::max();

/// What the host says of an attempt's log, on any thread.
struct log_progress {
    std::atomic<std::uint64_t> stored{0};  // everything before this offset is in safety
    std::atomic<bool> room_wanted{false};  // the attempt is to be woken when it grows
};

struct attempt_source {
    sigrun_op op = 0;
    attempt_names names;
    std::vector<step> steps;
    std::string workspace;
    std::vector<std::string> secrets;  // values that must not leave the runner
    sigrun_sink sink{};
    std::uint64_t force_at_ns = k_never;  // a shim that still runs then is stuck, and killed itself
    std::uint64_t capacity = 0;           // of the spool
    std::shared_ptr<log_progress> progress = std::make_shared<log_progress>();
    descriptor folder;  // where the shim waits, if it can
    descriptor spool;
    std::unique_ptr<job_cgroup> group;
    sdk::job_limits asked;
    std::vector<held_limit> limits;     // how they are held; unknown of an attempt that was found again
    std::vector<held_setting> setting;  // the same of its isolation
    attempt_controllers controllers;    // where it has one of v2, `group` is that and none of the pool
};

class attempt {
public:
    enum class part : std::uint8_t { control, exit };
    /// What epoll hands back.
    struct watch {
        attempt* owner = nullptr;
        part what = part::control;
        bool armed = false;
    };

    /// Just started.
    attempt(sdk::host host, attempt_source source, shim_process shim);
    /// Of an earlier agent.
    attempt(sdk::host host, attempt_source source, found_spool found);
    attempt(const attempt&) = delete;
    attempt& operator=(const attempt&) = delete;

    sigrun_op op() const noexcept { return source_.op; }
    /// Starts to listen; events carry a watch*. Once, on the reader thread.
    void begin(int epoll);
    void on_ready(part what);
    /// Retries held output and checks the time limits. Returns when to call again at the latest.
    std::uint64_t tick(std::uint64_t now);
    void kill(std::uint64_t grace_ns);
    /// KILL without grace; repeating it does nothing.
    void abort();
    /// From now on output is read and thrown away: nobody wants it, the processes must not block on it.
    void discard_output();
    bool finished() const noexcept;
    /// Reads what the job has left for it.
    outcome conclusion() const;
    /// Whether somebody may have written cgroup.kill.
    bool group_was_killed() const noexcept;
    /// For the pool, once it is finished.
    std::unique_ptr<job_cgroup> take_group() noexcept { return std::move(source_.group); }
    const attempt_source& source() const noexcept { return source_; }

private:
    void arm(watch& w);
    void disarm(watch& w) noexcept;
    watch& at(part what) noexcept { return watches_[static_cast<std::size_t>(what)]; }
    bool looking() const noexcept { return looking_since_ != 0; }
    void look_for_shim(std::uint64_t now);
    void connected();
    void read_control();
    void take_message(const sigrun_shim_head& head, const char* body);
    void take_end(const sigrun_shim_exited& end);
    void shim_gone();
    void announce();
    void look_at_steps();
    void tell_state();
    void read_spool();
    void out_of_records();
    bool deliver(const sigrun_spool_record& record, sdk::buffer content);
    void tell_progress(bool answer);
    sigrun_result offer(std::uint32_t kind, const sigrun_spool_record* record, std::string_view json,
                        sigrun_buf* payload) const;

    sdk::host host_;
    attempt_source source_;
    shim_process shim_;
    int epoll_ = -1;
    std::array<watch, 2> watches_;
    evidence evidence_;
    step_progress progress_;
    std::string inbox_;

    spool_reader reader_;
    std::uint64_t limit_ = 0;     // end of the records, as far as it is known
    bool limit_is_open_ = false;  // it is not known: the shim was killed
    bool more_ = false;           // records are there for the next turn
    bool answer_due_ = false;     // the shim waits to hear what was read
    std::uint64_t told_free_ = 0;
    sdk::buffer held_;  // the record at the reader's position, that the sink did not take
    bool holding_ = false;
    bool discard_ = false;

    bool announced_ = false;
    bool gone_ = false;
    bool aborted_ = false;
    std::uint64_t looking_since_ = 0;  // for the shim of an earlier agent, which does not listen yet
    bool kill_due_ = false;
    std::uint64_t kill_grace_ns_ = 0;
    std::uint64_t force_at_;
};

}  // namespace sigrun::process
