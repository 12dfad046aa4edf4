#include "kernel/base/watchdog.hpp"

#include <atomic>

namespace sigrun {

// Outlives the watchdog, as a task of a thread that hangs can run at any time.
struct watchdog::answers {
    explicit answers(std::size_t n) : each(n) {}
    std::vector<std::atomic<bool>> each;
};

watchdog::watchdog(const service_manager& manager, std::vector<watched_thread> threads,
                   std::function<void(const std::string&)> silent)
    : manager_(manager),
      threads_(std::move(threads)),
      silent_(std::move(silent)),
      answers_(std::make_shared<answers>(threads_.size())) {
    if (manager_.watchdog() > nanoseconds(0)) thread_ = std::thread([this] { run(); });
}

watchdog::~watchdog() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void watchdog::ask_all() {
    for (std::size_t i = 0; i < threads_.size(); ++i) {
        answers_->each[i] = false;
        threads_[i].post([all = answers_, i] { all->each[i] = true; });
    }
}

void watchdog::run() {
    // Half the time is what sd_watchdog_enabled(3) advises; a quarter leaves room for an answer that just misses a look.
    const auto period = manager_.watchdog() / 4;
    std::vector<bool> told(threads_.size());
    ask_all();
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, period, [this] { return stopping_; })) {
        lock.unlock();
        bool all = true;
        for (std::size_t i = 0; i < threads_.size(); ++i) {
            const bool answered = answers_->each[i];
            all = all && answered;
            if (!answered && !told[i] && silent_) silent_(threads_[i].name);
            told[i] = !answered;
        }
        if (all) {
            manager_.ping();
            ask_all();
        }
        lock.lock();
    }
}

}  // namespace sigrun
