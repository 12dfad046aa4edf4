// The executor "process": one sigrun-shim per attempt, one reader thread for the output of all of them.
//
// run and cancel are called on worker threads; they hand attempts and orders to the reader thread, which alone calls the
// sinks and completes the ops.
#pragma once

#include "attempt.hpp"
#include "descriptor.hpp"
#include "job_wrapper.hpp"

#include <sigrun/cpp/plugin.hpp>
#include <sigrun/executor.h>

#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace sigrun::process {

class process_executor {
public:
    process_executor(sdk::host host, const sdk::config_reader& config);
    /// One that runs its jobs in something.
    process_executor(sdk::host host, const sdk::config_reader& config, std::unique_ptr<job_wrapper> wrapper);
    ~process_executor();
    process_executor(const process_executor&) = delete;
    process_executor& operator=(const process_executor&) = delete;

    const void* interface(std::string_view id) noexcept;
    void drain(std::uint64_t deadline_ns, sdk::op done);

    sigrun_result describe(sigrun_op op) const;
    /// [work]
    sigrun_result run(const sigrun_task& task, const sigrun_sink& sink, sigrun_op op);
    sigrun_result attach(const sigrun_task& task, std::uint64_t log_offset, const sigrun_sink& sink, sigrun_op op);
    sigrun_result cancel(sigrun_op op, std::uint64_t grace_ns);
    void stored(sigrun_op op, std::uint64_t log_offset) noexcept;
    /// Somebody's sink has room: what is held is offered again at the reader's next turn.
    void resume() noexcept { wake(); }

private:
    struct order {
        sigrun_op op;
        std::uint64_t grace_ns;
    };
    /// Calls `begin`, which may throw, for an op that is open from here on.
    template <class Begin>
    sigrun_result open(sigrun_op op, Begin begin);
    void hold_to_limits(const sdk::job_limits& limits, const std::string& workspace, attempt_source& source,
                        shim_plan& plan) const;
    void describe_limits(sdk::fact_writer& facts) const;
    void set_apart(process_job& job, const std::string& workspace, base_environment& environment,
                   attempt_source& source, shim_plan& plan) const;
    void launch(const sigrun_task& task, attempt_source source);
    void find_again(const sigrun_task& task, attempt_source source);
    attempt_source source_for(const sigrun_task& task, const sigrun_sink& sink, sigrun_op op,
                              std::shared_ptr<log_progress> progress) const;
    void hand_over(std::unique_ptr<attempt> made);
    void wake() noexcept;
    void loop();
    bool take_in();  // false: nothing more will come and nothing runs
    void tick_all();
    void retire_finished();
    void settle_drain();
    void finish(sigrun_op op, const outcome& how);

    sdk::host host_;
    sigrun_executor table_;
    std::string shim_;
    base_environment environment_;
    std::uint64_t kill_grace_ns_;
    std::uint64_t output_drain_ns_;
    std::uint64_t orphan_grace_ns_;
    std::uint64_t spool_limit_;
    account_rules accounts_;
    std::unique_ptr<job_wrapper> wrapper_;
    group_pool groups_;
    controller_groups controllers_;
    descriptor epoll_, wake_;

    std::mutex mutex_;  // guards the next group; never held across a host call
    std::vector<std::unique_ptr<attempt>> arriving_;
    std::vector<order> orders_;
    std::unordered_map<sigrun_op, std::shared_ptr<log_progress>> open_;  // run began, op not completed
    bool draining_ = false;
    bool stopping_ = false;
    std::uint64_t drain_deadline_ns_ = k_never;
    sdk::op drained_;

    // Reader thread only.
    std::list<std::unique_ptr<attempt>> running_;
    std::uint64_t next_tick_ = k_never;
    bool drain_forced_ = false;

    std::thread reader_;
};

}  // namespace sigrun::process
