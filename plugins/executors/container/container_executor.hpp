// The executor "container": one thread for each attempt, since each makes requests that take their time to one engine.
#pragma once

#include "container_attempt.hpp"

#include <sigrun/cpp/plugin.hpp>

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace sigrun::container {

class container_executor {
public:
    container_executor(sdk::host host, const sdk::config_reader& config);
    ~container_executor();
    container_executor(const container_executor&) = delete;
    container_executor& operator=(const container_executor&) = delete;

    const void* interface(std::string_view id) noexcept;
    void drain(std::uint64_t deadline_ns, sdk::op done);

    /// [work], as the next two.
    sigrun_result describe(sigrun_op op) const;
    sigrun_result begin(const sigrun_task& task, const sigrun_sink& sink, sigrun_op op, bool again);
    sigrun_result cancel(sigrun_op op, std::uint64_t grace_ns);
    /// [any]
    void resume(sigrun_op op) noexcept;
    void stored(sigrun_op op, std::uint64_t offset) noexcept;

private:
    struct running {
        std::shared_ptr<container_attempt> attempt;
        std::thread thread;
        bool over = false;  // the thread has nothing left to do
    };
    std::shared_ptr<container_attempt> find(sigrun_op op);
    void live(const std::shared_ptr<container_attempt>& attempt, running& in);
    void join_those_over();

    sdk::host host_;
    container_rules rules_;
    std::vector<std::string> sockets_;
    std::chrono::nanoseconds kill_grace_;

    std::mutex mutex_;  // the rest; never held across a host call
    std::list<running> all_;
    bool draining_ = false;
    sdk::op drained_;
    std::thread drainer_;
    std::condition_variable changed_;
};

}  // namespace sigrun::container
