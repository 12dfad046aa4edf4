#include "shim_template.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sigrun::process {
namespace {

// Where there are no births at all, as without clone3, a template for each job would only cost.
constexpr int k_most_failures = 3;

struct birth {
    sigrun_shim_birth what{};
    int files[8];
    std::size_t count = 0;
    void add(int fd, int as) {
        if (fd < 0) return;
        what.files |= 1u << as;
        files[count++] = fd;
    }
};

bool send(int socket, birth& what) {
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof what.files)] = {};
    iovec part{&what.what, sizeof what.what};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = CMSG_SPACE(what.count * sizeof(int));
    auto* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(what.count * sizeof(int));
    std::memcpy(CMSG_DATA(c), what.files, what.count * sizeof(int));
    // It takes orders one after another and never waits for anything else, so a full queue means that it is stopped.
    return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(sizeof what.what);
}

// 0: it is over, or too late.
pid_t hear_birth(int answer) {
    struct {
        sigrun_shim_head head;
        std::int32_t pid;
    } born{};
    ssize_t n = 0;
    do n = ::recv(answer, &born, sizeof born, MSG_WAITALL);
    while (n < 0 && errno == EINTR);
    return n == static_cast<ssize_t>(sizeof born) && born.head.type == SIGRUN_SHIM_BORN ? born.pid : 0;
}

}  // namespace

bool shim_template::begin() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return false;
    descriptor ours(ends[0]), theirs(ends[1]);
    // As long as any label: a shim writes its own over it.
    std::string label = "template";
    label.resize(SIGRUN_SHIM_LABEL_SIZE - 1, ' ');
    pid_ = spawn_shim(program_, label, theirs.get(), {});
    socket_ = std::move(ours);
    ++begun_;
    return true;
}

void shim_template::end() noexcept {
    socket_.reset();
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);  // it may be stopped, and has nothing to lose
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
}

pid_t shim_template::make(const std::string& label, descriptor& control, int answer, const shim_files& files) {
    birth order;
    std::copy_n(label.data(), std::min(label.size(), sizeof order.what.label - 1), order.what.label);
    order.add(control.get(), SIGRUN_SHIM_CONTROL_FD);
    order.add(files.spool, SIGRUN_SHIM_SPOOL_FD);
    order.add(files.folder, SIGRUN_SHIM_FOLDER_FD);
    order.add(files.group, SIGRUN_SHIM_GROUP_FD);
    for (int i = 0; i < 3; ++i) order.add(files.v1[static_cast<std::size_t>(i)], SIGRUN_SHIM_MEMORY_FD + i);
    std::uint64_t asked = 0;
    {
        std::lock_guard lock(mutex_);
        if (failed_ >= k_most_failures || (!socket_ && !begin())) return 0;
        asked = begun_;
        if (!send(socket_.get(), order)) {
            if (errno == EPIPE || errno == ECONNRESET) end();  // it was killed: the next job gets another
            return 0;
        }
    }
    control.reset();  // nobody but the shim has it now: when that is not made or dies, it is heard here
    const pid_t born = hear_birth(answer);
    {
        std::lock_guard lock(mutex_);
        failed_ = born ? 0 : failed_ + 1;
        if (born) return born;
        if (begun_ == asked) end();  // another thread may have begun the next one
    }
    // It makes no more, but may have made this one too late: that has no order and ends, and is waited for like any child.
    if (const pid_t late = hear_birth(answer)) {
        ::kill(late, SIGKILL);
        ::waitpid(late, nullptr, 0);
    }
    return 0;
}

}  // namespace sigrun::process
