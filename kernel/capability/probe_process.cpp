#include "kernel/capability/probe_process.hpp"

#include "kernel/base/start_program.hpp"
#include "kernel/capability/probe_frames.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace sigrun {
namespace {

constexpr int k_last_wait_ms = 20;

problem start_problem(const std::string& what, int error) {
    return {errc::io, "cannot start a process for the probe: " + what + ": " + std::strerror(error)};
}

// Above the standard ones, which are exchanged in the child.
owned_fd duplicate(int fd) { return owned_fd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

}  // namespace

result<std::unique_ptr<probe_process>> probe_process::start(const std::string& program, int plugin, owned_fd& socket) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return start_problem("socketpair", errno);
    socket = owned_fd(ends[0]);
    const owned_fd near(ends[1]);
    const owned_fd its = duplicate(near.get()), copy = duplicate(plugin);
    if (!its || !copy) return start_problem("dup", errno);

    const given_descriptor given[] = {{its.get(), STDIN_FILENO}, {copy.get(), STDOUT_FILENO}};
    pid_t child = -1;
    const int failed = start_program(child, program, {std::string(k_probe_host_flag)}, given);
    if (failed) return start_problem(program, failed);
    return std::unique_ptr<probe_process>(new probe_process(child));
}

probe_process::~probe_process() {
    kill();
    for (int i = 0; i < k_last_wait_ms && !look(); ++i) ::poll(nullptr, 0, 1);
}

void probe_process::kill() noexcept {
    if (!status_) ::kill(-pid_, SIGKILL);  // once it was waited for the number may be somebody else's
}

std::optional<int> probe_process::look() noexcept {
    if (status_) return status_;
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        if (errno == ECHILD) status_ = 0;  // somebody else has waited for it
        return status_;
    }
    if (!info.si_pid) return status_;
    kill();  // what it leaves behind in its group
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return status_;
}

process_usage usage_of(pid_t pid) {
    const auto folder = std::filesystem::path("/proc") / std::to_string(pid);
    process_usage out;
    std::size_t size = 0, pages = 0;
    if (std::ifstream(folder / "statm") >> size >> pages)
        out.resident_bytes = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::error_code gone;
    for (std::filesystem::directory_iterator at(folder / "fd", gone), end; !gone && at != end; at.increment(gone))
        ++out.descriptors;
    return out;
}

std::string how_it_ended(int wait_status) {
    if (WIFSIGNALED(wait_status)) return std::string("by a signal: ") + ::strsignal(WTERMSIG(wait_status));
    return "by itself, with exit code " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace sigrun
