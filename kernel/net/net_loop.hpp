// A thread that runs a loop, from its first use until stop().
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <functional>
#include <mutex>
#include <thread>

namespace sigrun {

class net_loop {
public:
    net_loop() : guard_(context_.get_executor()) {}
    ~net_loop() { stop(); }
    net_loop(const net_loop&) = delete;
    net_loop& operator=(const net_loop&) = delete;

    boost::asio::io_context& context() noexcept { return context_; }
    bool here() noexcept { return context_.get_executor().running_in_this_thread(); }
    /// [any] Starts the thread if need be. False after stop(): the task will not run.
    template <class Task>
    bool post(Task&& task) {
        std::lock_guard lock(mutex_);
        if (stopped_) return false;
        boost::asio::post(context_, std::forward<Task>(task));
        if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
        return true;
    }
    /// Runs what was posted, then what `last` says, and ends when nothing is left to wait for. Not on the loop.
    void stop(std::function<void()> last = nullptr);

private:
    void run();

    mutable std::mutex mutex_;
    bool stopped_ = false;
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
    std::thread thread_;
};

}  // namespace sigrun
