#include "job_group.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstring>

namespace sigrun::shim {

// A kernel may take the last process off the group a moment after its parent has waited for it.
constexpr int k_moments = 10;

bool job_group::says_populated(int events) const {
    char text[128] = {};
    ssize_t n = ::pread(events, text, sizeof text - 1, 0);
    return n > 0 && std::strstr(text, "populated 1") != nullptr;
}

bool job_group::populated() const {
    if (folder_ < 0) return false;
    int events = ::openat(folder_, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (events < 0) return false;  // the group is gone, and only an empty one can go
    bool someone = says_populated(events);
    for (int i = 0; i < k_moments && someone; ++i) {
        pollfd change{events, POLLPRI, 0};
        ::poll(&change, 1, 1);
        someone = says_populated(events);
    }
    ::close(events);
    return someone;
}

void job_group::kill() const {
    if (folder_ < 0) return;
    int order = ::openat(folder_, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (order < 0) return;
    [[maybe_unused]] ssize_t n = ::write(order, "1", 1);
    ::close(order);
}

}  // namespace sigrun::shim
