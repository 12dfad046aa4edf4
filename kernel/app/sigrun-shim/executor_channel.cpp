#include "executor_channel.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace sigrun::shim {

bool executor_channel::read_all() {
    char room[1024];
    for (;;) {
        ssize_t n = ::recv(control_, room, sizeof room, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return true;
        if (n <= 0) return false;
        inbox_.append(room, static_cast<std::size_t>(n));
    }
}

bool executor_channel::next(sigrun_shim_head& head) {
    if (inbox_.size() < sizeof head) return false;
    std::memcpy(&head, inbox_.data(), sizeof head);
    if (head.length > k_longest_order) inbox_.clear();  // not an executor's: whatever it is, it is not understood
    return inbox_.size() >= sizeof head + head.length;
}

void executor_channel::send(std::uint32_t type, const void* body, std::size_t size) const {
    if (control_ < 0) return;
    char message[256];
    sigrun_shim_head head{type, static_cast<std::uint32_t>(size)};
    std::memcpy(message, &head, sizeof head);
    std::memcpy(message + sizeof head, body, size);
    [[maybe_unused]] ssize_t n = ::send(control_, message, sizeof head + size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool executor_channel::wait_for_another() {
    if (control_ >= 0) ::close(std::exchange(control_, -1));
    inbox_.clear();
    if (folder_ < 0) return false;
    if (listener_ >= 0) return true;
    // By way of the descriptor, since a socket's path is at most 107 bytes and a folder's may be longer.
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", folder_, SIGRUN_SHIM_SOCKET);
    ::unlinkat(folder_, SIGRUN_SHIM_SOCKET, 0);
    int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) return false;
    if (::bind(made, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(made, 4) != 0) {
        ::close(made);
        return false;
    }
    listener_ = made;
    return true;
}

bool executor_channel::accept() {
    int came = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (came < 0) return false;
    ucred who{};
    socklen_t size = sizeof who;
    bool welcome =
        ::getsockopt(came, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && (who.uid == ::geteuid() || who.uid == 0);
    if (!welcome) {
        ::close(came);
        return false;
    }
    control_ = came;
    stop_waiting();
    return true;
}

void executor_channel::stop_waiting() {
    if (listener_ < 0) return;
    ::close(std::exchange(listener_, -1));
    ::unlinkat(folder_, SIGRUN_SHIM_SOCKET, 0);
}

}  // namespace sigrun::shim
