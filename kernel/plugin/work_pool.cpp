#include "kernel/plugin/work_pool.hpp"

#include "kernel/guard/crash_reporter.hpp"
#include "kernel/log/loggers.hpp"

#include <pthread.h>

#include <exception>
#include <string>

namespace sigrun {
void name_thread(const std::string& name) noexcept { pthread_setname_np(pthread_self(), name.substr(0, 15).c_str()); }

work_pool::work_pool(std::size_t max_threads, std::size_t max_waiting)
    : max_threads_(max_threads), max_waiting_(max_waiting) {}

work_pool::~work_pool() { stop(); }

bool work_pool::post(std::function<void()> task, bool refusable) {
    {
        std::lock_guard lock(mutex_);
        if (stopping_ || (refusable && tasks_.size() >= max_waiting_)) return false;
        tasks_.push_back(std::move(task));
        if (tasks_.size() > idle_ && threads_.size() < max_threads_)
            threads_.emplace_back([this, name = "sigrun-work-" + std::to_string(threads_.size() + 1)] {
                name_thread(name);
                use_alternate_stack();
                run();
            });
    }
    wake_.notify_one();
    return true;
}

void work_pool::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        --idle_;
        if (tasks_.empty()) return;
        auto task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        try {
            task();
        } catch (const std::exception& e) {
            SIGRUN_LOG(logs::work, error, "a task failed: ", std::string_view(e.what()));
        }
        task = nullptr;
        lock.lock();
    }
}

void work_pool::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_)
        if (thread.joinable()) thread.join();
}

}  // namespace sigrun
