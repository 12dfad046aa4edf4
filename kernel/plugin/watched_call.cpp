#include "kernel/plugin/watched_call.hpp"

#include "kernel/guard/crash_reporter.hpp"
#include "kernel/plugin/work_pool.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

namespace sigrun {
namespace {

struct handover {
    std::mutex mutex;
    std::condition_variable ended_now;
    bool ended = false, given_up = false;
};

}  // namespace

bool run_within(nanoseconds limit, std::function<void()> task, std::function<void()> late) {
    auto between = std::make_shared<handover>();
    std::thread thread([between, task = std::move(task), late = std::move(late)] {
        name_thread("sigrun-config");
        use_alternate_stack();
        task();
        {
            std::lock_guard lock(between->mutex);
            between->ended = true;
            between->ended_now.notify_all();
            if (!between->given_up) return;
        }
        late();
    });
    std::unique_lock lock(between->mutex);
    if (between->ended_now.wait_for(lock, limit, [&] { return between->ended; })) {
        lock.unlock();
        thread.join();
        return true;
    }
    between->given_up = true;
    thread.detach();
    return false;
}

}  // namespace sigrun
