// The dispatching threads of one daemon, run one at a time in the order of the simulation: a balancer keeps state per
// thread, so they must be real ones, and the run must come out the same each time.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace sigrun::sim {

class dispatch_threads {
public:
    /// One: the caller's own.
    explicit dispatch_threads(std::uint32_t count) {
        for (std::uint32_t i = 0; count > 1 && i < count; ++i) hands_.push_back(std::make_unique<hand>());
    }
    /// `work` on that thread; returns when it is done.
    template <typename Work>
    void on(std::uint32_t thread, Work&& work) {
        if (hands_.empty()) return work();
        const std::function<void()> task = std::ref(work);
        hands_[thread]->run(task);
    }

private:
    class hand {
    public:
        hand() : thread_([this] { serve(); }) {}
        ~hand() {
            give(&ends_);
            thread_.join();
        }
        void run(const std::function<void()>& work) {
            give(&work);
            task_.wait(&work);
        }

    private:
        void give(const std::function<void()>* what) {
            task_ = what;
            task_.notify_all();
        }
        void serve() {
            for (;;) {
                task_.wait(nullptr);
                const std::function<void()>* what = task_.load();
                if (what == &ends_) return;
                (*what)();
                give(nullptr);
            }
        }
        const std::function<void()> ends_;
        std::atomic<const std::function<void()>*> task_{nullptr};
        std::thread thread_;
    };
    std::vector<std::unique_ptr<hand>> hands_;
};

}  // namespace sigrun::sim
