// The attempts of this runner and its places. Turns frames of links into calls on attempts.
//
// [any]. The lock guards the map alone.
#pragma once

#include "kernel/agent/agent_options.hpp"
#include "kernel/agent/assignment.hpp"
#include "kernel/agent/ended_tokens.hpp"
#include "kernel/agent/executor_set.hpp"
#include "kernel/agent/machine_watch.hpp"
#include "kernel/agent/refusals.hpp"
#include "kernel/agent/signed_jobs.hpp"
#include "kernel/base/json.hpp"
#include "kernel/base/task_thread.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace sigrun {

class assignment_table : public std::enable_shared_from_this<assignment_table> {
public:
    /// HELLO carries at most this many attempts; with more of them open, offers are refused.
    static constexpr std::size_t k_max_open = 4096;

    assignment_table(plugin_host& host, agent_options options, std::uint32_t slots);

    /// Asked before a job is accepted. Once, before any frame.
    void set_gate(std::shared_ptr<const machine_watch> gate) { gate_ = std::move(gate); }
    /// Takes over what an agent before this one left; returns the workspaces that are in use. Once, before any frame.
    std::vector<std::string> restore();
    attempt_store& store() noexcept { return store_; }
    signed_jobs& signatures() noexcept { return signatures_; }
    /// Where the files of jobs are read.
    task_thread& files() noexcept { return files_; }
    executor_set& executors() noexcept { return executors_; }
    const executor_set& executors() const noexcept { return executors_; }
    std::uint32_t slots() const noexcept { return slots_; }
    std::uint32_t used() const noexcept { return used_.load(std::memory_order_acquire); }
    std::size_t open() const;  // running, or not acknowledged

    /// `accepting`: false after the controller said DRAIN on this link.
    sigrun_result on_offer(const link_ptr& via, const sigrun_frame& frame, bool accepting = true);
    sigrun_result on_ack(const sigrun_frame& frame);
    sigrun_result on_cancel(const link_ptr& via, const sigrun_frame& frame);
    void on_link_lost(const link_ptr& via);

    /// What HELLO says of attempts: those that are open, and those whose refusal may not have arrived.
    json::array inventory();
    /// "verdicts" of a WELCOME or HELLO; attempts that are not named are left alone.
    void apply(const link_ptr& via, const json::array& verdicts);

    /// By the clock: ends that nobody has acknowledged for a while are brought to the disk.
    void keep_ends(time_point now);
    void stop_accepting() noexcept { draining_.store(true, std::memory_order_release); }
    void cancel_all(nanoseconds grace, end_cause cause);
    /// Runs `on_change` whenever a place became free or an attempt was forgotten.
    void set_observer(std::function<void()> on_change);

    // From attempts.
    nanoseconds kill_grace() const noexcept { return options_.kill_grace; }
    void place_freed();
    /// What is still here of earlier attempts lost its lease, or the controller would not have offered this one.
    void abandon_older(const assignment_names& than);
    void forget(const assignment& which);
    /// The answer to its offer is no; `text`: JSON.
    void refuse(const link_ptr& via, const assignment_names& whom, std::string text);
    void retry_soon();

private:
    /// What an inline executor answers, on this stack.
    result<buffer_ref> run_inline(const executor_entry& executor, std::string_view kind, const sigrun_frame& frame);
    sigrun_result report_inline(const link_ptr& via, const sigrun_frame& frame, bool in_memory,
                                const result<buffer_ref>& answer);
    void refuse(const link_ptr& via, const sigrun_frame& frame, errc code, std::string_view message);
    bool take_place() noexcept;
    assignment_ptr find(const sigrun_attempt& which) const;
    std::vector<assignment_ptr> all() const;
    void notify();

    plugin_host& host_;
    const agent_options options_;
    const std::uint32_t slots_;
    std::shared_ptr<const machine_watch> gate_;
    executor_set executors_;
    attempt_store store_;
    signed_jobs signatures_;
    refusals refusals_;
    task_thread files_{"sigrun-files"};
    std::atomic<bool> draining_{false};
    std::atomic<std::uint32_t> used_{0};

    mutable std::mutex mutex_;                                 // the next group
    std::map<std::string, assignment_ptr, std::less<>> open_;  // by "job/number"
    std::function<void()> observer_;
    ended_tokens ended_;

    std::atomic<bool> retry_armed_{false};
    boost::asio::steady_timer retry_;
};

}  // namespace sigrun
