// Who waits for a runner to come over another protocol.
#pragma once

#include "kernel/link/fleet.hpp"

#include <mutex>
#include <vector>

namespace sigrun {

/// [any]; answers run without the lock.
struct fleet::migrations {
    struct waiting {
        member_ptr who;
        std::uint8_t protocol = 0;
        time_point until{};
        std::function<void(result<void>)> done;
    };
    /// Removes those for which `which` is true and gives them back.
    std::vector<waiting> take(const std::function<bool(const waiting&)>& which) {
        std::vector<waiting> out;
        std::lock_guard lock(mutex);
        for (auto it = open.begin(); it != open.end();) {
            if (which(*it)) {
                out.push_back(std::move(*it));
                it = open.erase(it);
            } else {
                ++it;
            }
        }
        return out;
    }

    std::mutex mutex;
    std::vector<waiting> open;
};

}  // namespace sigrun
