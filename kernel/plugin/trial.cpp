// The parent's side of a trial.
#include "kernel/plugin/trial.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/base/start_program.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/plugin/trial_words.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sigrun {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t k_max_report = 4096;
constexpr std::chrono::milliseconds k_look_at_child{10};  // at the child's processor time

struct temporary_folder {
    std::string path;
    ~temporary_folder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

problem os_problem(const std::string& what, int error) { return {errc::io, what + ": " + std::strerror(error)}; }

// A process group of its own, and gone with this object: nothing that a plugin starts outlives its trial.
class trial_child {
public:
    trial_child(pid_t pid, owned_fd pipe) : pid_(pid), pipe_(std::move(pipe)) {}
    trial_child(const trial_child&) = delete;
    trial_child& operator=(const trial_child&) = delete;
    ~trial_child() { end(); }

    // Takes in what it has said by then. False: it has closed its end, as at its exit.
    bool listen(std::chrono::milliseconds patience) {
        pollfd one{pipe_.get(), POLLIN, 0};
        ::poll(&one, 1, static_cast<int>(patience.count()));
        char chunk[k_max_report];
        const ssize_t got = ::read(pipe_.get(), chunk, sizeof chunk);
        if (got < 0) return errno == EINTR || errno == EAGAIN;
        said_.append(chunk, std::min(static_cast<std::size_t>(got), k_max_report - said_.size()));
        return got > 0;
    }
    bool exited() const {
        siginfo_t info{};
        return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
    }
    nanoseconds cpu() const {
        clockid_t its{};
        timespec t{};
        if (::clock_getcpuclockid(pid_, &its) != 0 || ::clock_gettime(its, &t) != 0) return {};
        return std::chrono::seconds(t.tv_sec) + nanoseconds(t.tv_nsec);
    }
    // The wait status.
    int end() {
        if (pid_ < 0) return status_;
        ::kill(-pid_, SIGKILL);  // before it is waited for: afterwards the number may be somebody else's
        while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return status_;
    }
    const std::string& said() const noexcept { return said_; }

private:
    pid_t pid_;
    owned_fd pipe_;
    std::string said_;
    int status_ = 0;
};

result<pid_t> spawn(const std::string& program, std::string folder, int its_output) {
    const given_descriptor output{its_output, STDOUT_FILENO};
    pid_t child = -1;
    const int failed = start_program(child, program, {std::string(k_trial_flag), std::move(folder)}, {&output, 1});
    if (failed) return os_problem("cannot start " + program + " for the trial", failed);
    return child;
}

// Until the child has ended or has to. The problem says why it had to.
result<void> watch(trial_child& child, const trial_setting& setting) {
    const auto deadline = std::chrono::steady_clock::now() + setting.limits.wall;
    for (bool open = true; !child.exited();) {
        if (open)
            open = child.listen(k_look_at_child);
        else
            ::poll(nullptr, 0, 1);  // it has said everything and is about to exit
        if (setting.give_up && *setting.give_up)
            return make_problem(errc::unavailable, "the program is stopping: the trial was given up");
        if (child.cpu() > setting.limits.cpu)
            return make_problem(errc::timeout, "it did not get through its trial in " +
                                                   format_duration(setting.limits.cpu) + " of processor time");
        if (std::chrono::steady_clock::now() > deadline)
            return make_problem(errc::timeout,
                                "it did not get through its trial in " + format_duration(setting.limits.wall));
    }
    child.listen(std::chrono::milliseconds(0));  // its last words; what it left behind may keep the pipe open
    return {};
}

result<void> verdict_of(int status, const std::string& said, std::vector<std::string>* kinds) {
    if (WIFSIGNALED(status))
        return make_problem(errc::invalid, std::string("it crashed in its trial: ") + ::strsignal(WTERMSIG(status)));
    if (said.starts_with(k_trial_good)) {
        std::istringstream lines(said.substr(k_trial_good.size()));
        for (std::string kind; kinds && std::getline(lines, kind);) kinds->push_back(kind);
        return {};
    }
    if (!said.empty()) return make_problem(errc::invalid, said);
    return make_problem(errc::invalid,
                        "it ended its trial by itself, with exit code " + std::to_string(WEXITSTATUS(status)));
}

}  // namespace

result<void> try_plugin(std::string_view bytes, const trial_setting& setting, std::vector<std::string>* kinds) {
    return try_plugins({bytes}, setting, kinds);
}

result<void> try_plugins(const std::vector<std::string_view>& all_bytes, const trial_setting& setting,
                         std::vector<std::string>* kinds) {
    temporary_folder folder{setting.scratch + "/trial-XXXXXX"};
    if (!::mkdtemp(folder.path.data()))
        return os_problem("cannot make a folder for the trial in " + setting.scratch, errno);
    for (std::size_t i = 0; i < all_bytes.size(); ++i) {
        std::ofstream out(folder.path + "/plugin-" + std::to_string(i) + ".so", std::ios::binary);
        out.write(all_bytes[i].data(), static_cast<std::streamsize>(all_bytes[i].size()));
        if (!out.flush()) return os_problem("cannot write " + folder.path, errno);
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return os_problem("cannot begin the trial", errno);
    owned_fd ours(ends[0]), its(ends[1]);
    ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
    SIGRUN_TRY(pid, spawn(setting.program, folder.path, its.get()));
    its = owned_fd();
    trial_child child(pid, std::move(ours));
    // For the case that nobody looks any more.
    const auto seconds = static_cast<rlim_t>(std::chrono::ceil<std::chrono::seconds>(setting.limits.cpu).count()) + 1;
    const rlimit processor{seconds, seconds};
    ::prlimit(pid, RLIMIT_CPU, &processor, nullptr);
    SIGRUN_CHECK_OK(watch(child, setting));
    const int status = child.end();
    return verdict_of(status, child.said(), kinds);
}

}  // namespace sigrun
