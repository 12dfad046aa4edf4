// One thread that does blocking work, one task after another, so that nobody else has to wait for it.
//
// [any]. Started by the first task.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace sigrun {

class task_thread {
public:
    /// `name`: of the thread, at most 15 bytes.
    explicit task_thread(std::string name);
    task_thread(const task_thread&) = delete;
    task_thread& operator=(const task_thread&) = delete;
    ~task_thread() { stop(); }

    /// Destroyed unused after stop.
    void post(std::function<void()> task);
    /// What was posted is done, and what is posted from now on is not. Waits for that, unless it is called by a task, as may
    /// happen to one that holds the last reference to the owner.
    void stop();

private:
    struct shared;
    const std::shared_ptr<shared> shared_;
};

}  // namespace sigrun
