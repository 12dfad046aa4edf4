#include "execution.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <utility>

namespace sigrun::software {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds k_slice{20};  // between two looks at go_on

/// What is set up for posix_spawn, and undone.
class spawn_setup {
public:
    explicit spawn_setup(int output) {
        ::posix_spawn_file_actions_init(&files_);
        ::posix_spawn_file_actions_addopen(&files_, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_adddup2(&files_, output, 1);
        ::posix_spawn_file_actions_adddup2(&files_, output, 2);
        ::posix_spawn_file_actions_addclosefrom_np(&files_, 3);
        ::posix_spawn_file_actions_addchdir_np(&files_, "/");
        ::posix_spawnattr_init(&attributes_);
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        ::posix_spawnattr_setpgroup(&attributes_, 0);
        ::posix_spawnattr_setflags(&attributes_,
                                   POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    spawn_setup(const spawn_setup&) = delete;
    ~spawn_setup() {
        ::posix_spawnattr_destroy(&attributes_);
        ::posix_spawn_file_actions_destroy(&files_);
    }
    int spawn(pid_t& pid, const command& what) const {
        std::vector<char*> words{const_cast<char*>(what.path.c_str())};
        for (const auto& a : what.arguments) words.push_back(const_cast<char*>(a.c_str()));
        words.push_back(nullptr);
        // PATH for what is a script; a home below which nothing can be made, so that nobody's settings are read and none are left.
        char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", locale[] = "LC_ALL=C", home[] = "HOME=/dev/null";
        char* environment[] = {path, locale, home, nullptr};
        return ::posix_spawn(&pid, what.path.c_str(), &files_, &attributes_, words.data(), environment);
    }

private:
    posix_spawn_file_actions_t files_;
    posix_spawnattr_t attributes_;
};

/// posix_spawn knows neither limits nor priorities, so they come a moment after the program has begun.
void limit(pid_t pid, milliseconds deadline) {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), 10);  // jobs come first
    const auto seconds = static_cast<rlim_t>(deadline.count() / 1000 + 1);
    const auto set = [&](__rlimit_resource what, rlim_t most) {
        const rlimit r{most, most};
        ::prlimit(pid, what, &r, nullptr);
    };
    set(RLIMIT_CPU, seconds);
    set(RLIMIT_CORE, 0);
    set(RLIMIT_FSIZE, 1024 * 1024);
    set(RLIMIT_NOFILE, 256);
    // Not RLIMIT_AS, and none that this process may have: node, java and go reserve far more than they use.
    rlimit space{};
    if (::prlimit(pid, RLIMIT_AS, nullptr, &space) == 0) {
        const rlimit none{RLIM_INFINITY, RLIM_INFINITY}, most{space.rlim_max, space.rlim_max};
        if (::prlimit(pid, RLIMIT_AS, &none, nullptr) != 0) ::prlimit(pid, RLIMIT_AS, &most, nullptr);
    }
    set(RLIMIT_DATA, 1024ull * 1024 * 1024);
}

class child {
public:
    child(std::size_t index, const command& what, const execution_limits& limits)
        : index_(index), most_(limits.output_limit), late_at_(clock::now() + limits.deadline) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
            answer_.code = errno;
            return;
        }
        ::fcntl(ends[1], F_SETFL, 0);  // what the program gets blocks, as programs expect
        answer_.code = spawn_setup(ends[1]).spawn(pid_, what);
        ::close(ends[1]);
        output_ = ends[0];
        if (answer_.code != 0) {
            pid_ = -1;
            return;
        }
        limit(pid_, limits.deadline);
        watch_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0u));
    }
    child(const child&) = delete;
    child& operator=(const child&) = delete;
    ~child() {
        end();
        if (output_ >= 0) ::close(output_);
        if (watch_ >= 0) ::close(watch_);
    }

    std::size_t index() const noexcept { return index_; }
    int output() const noexcept { return output_; }  // -1: everything was read
    int watch() const noexcept { return watch_; }    // -1: no such descriptor; look from time to time
    clock::time_point late_at() const noexcept { return late_at_; }
    answer take() { return std::move(answer_); }

    /// Reads what is there. True: the answer is complete and no process is left.
    bool step() {
        if (pid_ < 0) return true;
        read_output();
        siginfo_t info{};
        const bool ended =
            ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
        if (!ended && !full_ && clock::now() < late_at_) return false;
        if (ended) {
            read_output();  // what it wrote last
            answer_.how = full_ ? ending::cut : info.si_code == CLD_EXITED ? ending::exited : ending::signalled;
            answer_.code = info.si_status;
        } else {
            answer_.how = full_ ? ending::cut : ending::late;
        }
        end();
        return true;
    }

private:
    /// The leader is still to be waited for when its group is killed, so the number cannot be somebody else's by now.
    void end() {
        if (pid_ < 0) return;
        ::kill(-pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
    }
    void read_output() {
        while (output_ >= 0 && !full_) {
            char room[1024];
            const auto n = ::read(output_, room, std::min(sizeof room, most_ + 1 - answer_.output.size()));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0 && errno == EAGAIN) return;
            if (n <= 0) {
                ::close(std::exchange(output_, -1));
                return;
            }
            answer_.output.append(room, static_cast<std::size_t>(n));
            full_ = answer_.output.size() > most_;
            if (full_) answer_.output.resize(most_);
        }
    }

    const std::size_t index_, most_;
    const clock::time_point late_at_;
    pid_t pid_ = -1;
    int output_ = -1, watch_ = -1;
    bool full_ = false;
    answer answer_;
};

void wait_for_any(const std::list<child>& running) {
    std::vector<pollfd> watched;
    auto until = clock::now() + k_slice;
    for (const auto& c : running) {
        if (c.output() >= 0) watched.push_back({c.output(), POLLIN, 0});
        if (c.watch() >= 0) watched.push_back({c.watch(), POLLIN, 0});
        if (c.watch() < 0) until = std::min(until, clock::now() + milliseconds(2));
        until = std::min(until, c.late_at());
    }
    const auto left = std::chrono::ceil<milliseconds>(until - clock::now()).count();
    ::poll(watched.data(), watched.size(), static_cast<int>(std::max<decltype(left)>(left, 0)));
}

}  // namespace

bool run_all(const std::vector<command>& commands, const execution_limits& limits,
             const std::function<void(std::size_t, answer)>& done, const std::function<bool()>& go_on) {
    std::list<child> running;
    std::size_t next = 0;
    while (next < commands.size() || !running.empty()) {
        if (!go_on()) return false;
        while (next < commands.size() && running.size() < std::max<std::size_t>(limits.parallel, 1)) {
            running.emplace_back(next, commands[next], limits);
            ++next;
        }
        bool waits = true;
        for (auto at = running.begin(); at != running.end();) {
            if (!at->step()) {
                ++at;
                continue;
            }
            done(at->index(), at->take());
            at = running.erase(at);
            waits = false;
        }
        if (waits) wait_for_any(running);
    }
    return true;
}

}  // namespace sigrun::software
