#include "kernel/app/sigrun/child_program.hpp"

#include "kernel/base/clock.hpp"
#include "kernel/base/problem.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun::cli {
namespace {

constexpr std::size_t k_longest_line = 64 * 1024;

// Until the other end is closed, or, once `over`, until nothing is there: something the program started may hold it.
void read_lines(int from, const std::atomic<bool>& over, const std::function<void(std::string_view)>& on_line) {
    std::string waiting;
    char chunk[4096];
    for (;;) {
        const bool last_look = over;
        pollfd one{from, POLLIN, 0};
        const int there = ::poll(&one, 1, 50);
        if (there == 0 && last_look) break;
        if (there <= 0) continue;
        const auto got = ::read(from, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        waiting.append(chunk, static_cast<std::size_t>(got));
        for (auto end = waiting.find('\n'); end != std::string::npos; end = waiting.find('\n')) {
            on_line(std::string_view(waiting).substr(0, end));
            waiting.erase(0, end + 1);
        }
        if (waiting.size() > k_longest_line) waiting.clear();  // no line of a log
    }
    if (!waiting.empty()) on_line(waiting);
    ::close(from);
}

}  // namespace

result<std::unique_ptr<child_program>> child_program::start(const std::vector<std::string>& argv,
                                                            std::function<void(std::string_view)> on_line) {
    std::vector<char*> words;
    for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return problem{errc::io, std::string("pipe: ") + std::strerror(errno)};
    sigset_t nothing;
    sigemptyset(&nothing);
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        // Only what is safe between fork and exec. Its own group, so that Ctrl-C reaches it through us, in order.
        ::setpgid(0, 0);
        ::prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (::getppid() != parent) ::_exit(127);
        ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
        ::signal(SIGPIPE, SIG_DFL);
        const int nothing_to_read = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::dup2(nothing_to_read, STDIN_FILENO);
        ::dup2(ends[1], STDOUT_FILENO);
        ::dup2(ends[1], STDERR_FILENO);
        ::execvp(words[0], words.data());
        static constexpr char k_text[] = "cannot be executed\n";
        [[maybe_unused]] const auto n = ::write(STDERR_FILENO, k_text, sizeof k_text - 1);
        ::_exit(127);
    }
    const int error = errno;
    ::close(ends[1]);
    if (pid < 0) {
        ::close(ends[0]);
        return problem{errc::io, "cannot start " + argv[0] + ": " + std::strerror(error)};
    }
    return std::unique_ptr<child_program>(new child_program(pid, ends[0], std::move(on_line)));
}

child_program::child_program(pid_t pid, int output, std::function<void(std::string_view)> on_line)
    : pid_(pid), reader_([this, output, on_line = std::move(on_line)] { read_lines(output, over_, on_line); }) {}

child_program::~child_program() { stop(); }

std::optional<int> child_program::ended() {
    int status = 0;
    if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
    return status_;
}

void child_program::stop() {
    if (!ended()) {
        ::kill(pid_, SIGTERM);
        const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!ended() && std::chrono::steady_clock::now() < patience) ::poll(nullptr, 0, 10);
        if (!ended()) {
            ::kill(pid_, SIGKILL);
            int status = 0;
            while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
            }
            status_ = status;
        }
    }
    over_ = true;
    if (reader_.joinable()) reader_.join();
}

}  // namespace sigrun::cli
