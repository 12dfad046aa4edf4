#include "birth.hpp"

#include <sigrun/shim.h>

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace sigrun::shim {
namespace {

constexpr int k_first = SIGRUN_SHIM_CONTROL_FD, k_last = SIGRUN_SHIM_CPUS_FD;
constexpr int k_most = k_last - k_first + 1;
constexpr int k_above = 64;  // where the template's own socket is out of the way

struct order {
    sigrun_shim_birth what{};
    int files[k_most];
    int count = 0;
};

// False: nobody will send any more.
bool receive(int socket, order& to) {
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof to.files)];
    iovec part{&to.what, sizeof to.what};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    ssize_t n = 0;
    do n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    to.count = 0;
    if (n <= 0) return false;
    if (auto* c = CMSG_FIRSTHDR(&message); c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        to.count = static_cast<int>((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        std::memcpy(to.files, CMSG_DATA(c), static_cast<std::size_t>(to.count) * sizeof(int));
    }
    if (n != static_cast<ssize_t>(sizeof to.what)) to.what.files = 0;  // nobody's order
    return true;
}

// The executor waits for this process itself, and learns how it ended, as if it had started it.
pid_t make_sibling() {
    clone_args how{};
    how.flags = CLONE_PARENT;
    const auto made = static_cast<pid_t>(::syscall(SYS_clone3, &how, sizeof how));
    if (made >= 0 || errno != ENOSYS) return made;
    // Filters of containers deny it, as they cannot look into its argument.
    return static_cast<pid_t>(::syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

void put_in_place(const order& with) {
    int next = 0;
    for (int fd = k_first; fd <= k_last; ++fd) {
        if (with.what.files >> fd & 1 && next < with.count)
            ::dup2(with.files[next++], fd);
        else
            ::close(fd);
    }
}

void say_born() {
    struct {
        sigrun_shim_head head{SIGRUN_SHIM_BORN, sizeof(std::int32_t)};
        std::int32_t pid = ::getpid();
    } born;
    [[maybe_unused]] ssize_t n = ::send(k_first, &born, sizeof born, MSG_NOSIGNAL);
}

}  // namespace

bool is_template(int control) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(control, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

void wait_for_birth(int control, char* label) {
    const int socket = ::fcntl(control, F_DUPFD_CLOEXEC, k_above);
    if (socket < 0) ::_exit(1);
    // Taken, so that what comes is above and no dup2 of a shim overwrites another's source.
    for (int fd = k_first; fd <= k_last; ++fd) ::dup2(0, fd);
    const auto room = std::strlen(label);
    for (order next; receive(socket, next);) {
        if (next.what.files >> k_first & 1 && make_sibling() == 0) {
            put_in_place(next);
            std::memset(label, 0, room);
            std::memcpy(label, next.what.label, std::min(room, ::strnlen(next.what.label, sizeof next.what.label)));
            ::setsid();
            say_born();
            return;
        }
        for (int i = 0; i < next.count; ++i) ::close(next.files[i]);
    }
    ::_exit(0);
}

}  // namespace sigrun::shim
