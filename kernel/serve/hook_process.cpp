#include "kernel/serve/hook_process.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/base/start_program.hpp"
#include "kernel/guard/private_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::size_t k_kept_output = 4096;
constexpr nanoseconds k_grace = std::chrono::seconds(2);

hook_end not_started(const std::string& what, int error) {
    hook_end out;
    out.how = hook_end::kind::failed;
    out.why = what + ": " + std::strerror(error);
    return out;
}

/// A file in memory that holds the text: unlike a pipe it takes all of it at once, read or not.
owned_fd text_file(const std::string& text) {
    owned_fd made(::memfd_create("hook-input", MFD_CLOEXEC));
    if (!made) return made;
    for (std::size_t at = 0; at < text.size();) {
        const auto n = ::write(made.get(), text.data() + at, text.size() - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return owned_fd();
        at += static_cast<std::size_t>(n);
    }
    ::lseek(made.get(), 0, SEEK_SET);
    return made;
}

// Above the standard ones, which are exchanged in the child.
owned_fd above_standard(const owned_fd& fd) { return owned_fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)); }

class hook_child {
public:
    hook_child(pid_t pid, owned_fd output)
        : pid_(pid), handle_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), output_(std::move(output)) {}
    ~hook_child() {
        if (pid_ > 0) reap(true);
    }
    hook_child(const hook_child&) = delete;
    hook_child& operator=(const hook_child&) = delete;

    bool watched() const noexcept { return static_cast<bool>(handle_); }
    enum class event { ended, stop, late };
    /// `stop` -1: nobody asks.
    event wait(time_point deadline, int stop) {
        for (;;) {
            pollfd what[3] = {{handle_.get(), POLLIN, 0}, {output_ ? output_.get() : -1, POLLIN, 0}, {stop, POLLIN, 0}};
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
            if (left <= 0) return event::late;
            const int n = ::poll(what, 3, static_cast<int>(std::min<std::int64_t>(left, 3'600'000)));
            if (n < 0 && errno != EINTR) return event::late;
            if (n <= 0) continue;
            if (what[1].revents) listen();
            if (what[0].revents) {
                listen();
                return event::ended;
            }
            if (what[2].revents) return event::stop;
        }
    }
    void signal(int number) const noexcept { ::kill(-pid_, number); }
    /// The wait status. `all`: those of its group that are still there are killed, too.
    int reap(bool all) noexcept {
        if (all) signal(SIGKILL);  // before it is waited for: afterwards the number may be somebody else's
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return status;
    }
    std::string last_lines() const {
        std::string out = said_;
        while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
        // Not from the middle of a line.
        if (cut_)
            if (const auto line = out.find('\n'); line != out.npos) out.erase(0, line + 1);
        return out;
    }

private:
    void listen() {
        char room[4096];
        for (;;) {
            const auto n = output_ ? ::read(output_.get(), room, sizeof room) : -1;
            if (n < 0 && output_ && errno == EINTR) continue;
            if (n == 0) output_ = owned_fd();
            if (n <= 0) return;
            said_.append(room, static_cast<std::size_t>(n));
            if (said_.size() <= k_kept_output) continue;
            said_.erase(0, said_.size() - k_kept_output);
            cut_ = true;
        }
    }

    pid_t pid_;
    owned_fd handle_, output_;
    std::string said_;
    bool cut_ = false;
};

void judge(hook_end& out, int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    out.how = hook_end::kind::failed;
    out.why = WIFSIGNALED(status) ? std::string("it was ended by a signal: ") + ::strsignal(WTERMSIG(status))
                                  : "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

hook_end run_hook(const hook_call& what, int stop) {
    const auto begin = std::chrono::steady_clock::now();
    const owned_fd input = text_file(what.input);
    if (!input) return not_started("no memory for what it is told", errno);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return not_started("pipe", errno);
    owned_fd ours(ends[0]), near(ends[1]);
    ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
    pid_t pid = -1;
    {
        const owned_fd its_input = above_standard(input), its_output = above_standard(near);
        if (!its_input || !its_output) return not_started("dup", errno);
        const given_descriptor given[] = {
            {its_input.get(), STDIN_FILENO}, {its_output.get(), STDOUT_FILENO}, {its_output.get(), STDERR_FILENO}};
        const program_surroundings around{what.environment, true};
        if (const int failed =
                start_program(pid, what.command.front(), {what.command.begin() + 1, what.command.end()}, given, around))
            return not_started("it cannot be started", failed);
    }
    near = owned_fd();
    hook_child child(pid, std::move(ours));
    if (!child.watched()) return not_started("it cannot be watched", errno);
    hook_end out;
    if (const auto how = child.wait(begin + what.timeout, stop); how == hook_child::event::ended) {
        judge(out, child.reap(false));
    } else {
        out.how = how == hook_child::event::stop ? hook_end::kind::stopped : hook_end::kind::timed_out;
        out.why = how == hook_child::event::stop
                      ? "the daemon stops"
                      : "it did not end within " + format_duration(what.timeout) + " and was killed";
        child.signal(SIGTERM);
        child.wait(std::chrono::steady_clock::now() + k_grace, -1);
        child.reap(true);
    }
    out.output = child.last_lines();
    out.took = std::chrono::steady_clock::now() - begin;
    return out;
}

}  // namespace sigrun
