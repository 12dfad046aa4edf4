// Tells the service manager that this program is alive, as long as each of its threads answers.
//
// A thread of its own gives every watched one a small task, and sends the next ping only after all of them have run theirs. One
// that hangs therefore ends the pings, and with them the program: the service manager starts it again.
#pragma once

#include "kernel/base/service_manager.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sigrun {

/// A thread, or several of which one has to answer.
struct watched_thread {
    std::string name;
    /// Has it run the task soon. [any]; must not block.
    std::function<void(std::function<void()> task)> post;
};

class watchdog {
public:
    /// `manager` must outlive it. Without a watchdog there, nothing is done. `silent` hears once of each thread that has not
    /// answered for a whole period, on the watchdog's thread.
    watchdog(const service_manager& manager, std::vector<watched_thread> threads,
             std::function<void(const std::string& name)> silent = {});
    ~watchdog();
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;

private:
    struct answers;
    void run();
    void ask_all();

    const service_manager& manager_;
    const std::vector<watched_thread> threads_;
    const std::function<void(const std::string&)> silent_;
    const std::shared_ptr<answers> answers_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace sigrun
