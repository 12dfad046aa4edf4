#include "kernel/base/task_thread.hpp"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace sigrun {

struct task_thread::shared {
    explicit shared(std::string n) : name(std::move(n)) {}
    const std::string name;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> tasks;
    bool ending = false;
    std::thread thread;

    void work() {
        pthread_setname_np(pthread_self(), name.c_str());
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [this] { return ending || !tasks.empty(); });
            if (tasks.empty()) return;
            {
                const auto task = std::move(tasks.front());
                tasks.pop_front();
                lock.unlock();
                task();
            }  // and what it held goes without the lock
            lock.lock();
        }
    }
};

task_thread::task_thread(std::string name) : shared_(std::make_shared<shared>(std::move(name))) {}

void task_thread::post(std::function<void()> task) {
    {
        std::lock_guard lock(shared_->mutex);
        if (shared_->ending) return;
        if (!shared_->thread.joinable()) shared_->thread = std::thread([keep = shared_] { keep->work(); });
        shared_->tasks.push_back(std::move(task));
    }
    shared_->changed.notify_one();
}

void task_thread::stop() {
    std::thread ended;
    {
        std::lock_guard lock(shared_->mutex);
        shared_->ending = true;
        ended.swap(shared_->thread);
    }
    shared_->changed.notify_one();
    if (!ended.joinable()) return;
    if (ended.get_id() == std::this_thread::get_id())
        ended.detach();
    else
        ended.join();
}

}  // namespace sigrun
