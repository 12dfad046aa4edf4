// A mutex for long work in many short parts: whoever waits for it gets it between two of them. With a plain one the thread that
// has just unlocked it is awake, takes it again, and the others wait for the end of the whole work.
#pragma once

#include <mutex>

namespace sigrun {

class handover_mutex {
public:
    void lock() {
        // One thread waits for the mutex itself, and holds up all that come later, the last holder among them.
        const std::lock_guard turn(next_);
        held_.lock();
    }
    bool try_lock() { return held_.try_lock(); }
    void unlock() { held_.unlock(); }

private:
    std::mutex next_, held_;
};

}  // namespace sigrun
