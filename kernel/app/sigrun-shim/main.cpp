// sigrun-shim: owns one attempt's process tree. Started by an executor, see sigrun/shim.h; of no use by hand.
#include "birth.hpp"
#include "plan.hpp"
#include "supervisor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr int k_usage = 64;       // EX_USAGE
constexpr int k_os_refused = 71;  // EX_OSERR

int complain(int code, const char* text, std::size_t size) {
    [[maybe_unused]] ssize_t n = ::write(2, text, size);
    return code;
}

void keep(int fd) { ::fcntl(fd, F_SETFD, FD_CLOEXEC); }

}  // namespace

int main(int argc, char** argv) {
    constexpr int k_control = SIGRUN_SHIM_CONTROL_FD;
    struct stat about {};
    if (::fstat(k_control, &about) != 0 || !S_ISSOCK(about.st_mode)) {
        constexpr char k_text[] = "sigrun-shim is started by sigrun-runner and has no use by hand\n";
        return complain(k_usage, k_text, sizeof k_text - 1);
    }
    if (argc > 1 && sigrun::shim::is_template(k_control)) sigrun::shim::wait_for_birth(k_control, argv[1]);
    for (int fd = k_control; fd <= SIGRUN_SHIM_CPUS_FD; ++fd) keep(fd);
    ::close_range(SIGRUN_SHIM_CPUS_FD + 1, ~0u, 0);

    // Only SIGKILL ends the shim before its job is over: everything else is for the job's processes.
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    int children = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (children < 0 || ::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return k_os_refused;

    sigrun::shim::plan plan;
    if (!sigrun::shim::read_plan(k_control, plan)) return k_usage;
    sigrun::shim::supervisor supervisor(children, plan);
    if (!supervisor.prepare()) return k_os_refused;
    supervisor.run();
    return 0;
}
