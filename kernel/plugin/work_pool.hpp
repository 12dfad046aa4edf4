// The [work] lane: threads for tasks that may block until their deadline. Grows while all of its threads are
// busy, up to a limit; the queue is bounded.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sigrun {

class work_pool {
public:
    explicit work_pool(std::size_t max_threads = 16, std::size_t max_waiting = 65536);
    ~work_pool();
    /// [any] False: the pool is stopped, or the queue is full and the task may be refused.
    bool post(std::function<void()> task, bool refusable = true);
    /// Runs what was posted, then joins. Idempotent; not from a task.
    void stop();

private:
    void run();

    const std::size_t max_threads_;
    const std::size_t max_waiting_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::function<void()>> tasks_;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    bool stopping_ = false;
};

/// Sets the current thread's name; the kernel keeps 15 characters.
void name_thread(const std::string& name) noexcept;

}  // namespace sigrun
