#include "supervisor.hpp"

#include "process_tree.hpp"
#include "spawn.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun::shim {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Time that background processes get between TERM and KILL after a job ended by itself.
constexpr milliseconds k_settle{500};
constexpr std::chrono::seconds k_give_up{10};
constexpr int k_not_found = 127, k_not_executable = 126;
constexpr milliseconds k_kill_again{5};
constexpr std::uint64_t k_longest_ns = 365ull * 24 * 3'600'000'000'000u;

std::uint64_t wall_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t to_ns(const timeval& t) {
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_usec) * 1000u;
}

nanoseconds span(std::uint64_t ns) { return nanoseconds(static_cast<std::int64_t>(std::min(ns, k_longest_ns))); }

void sooner(std::optional<std::chrono::steady_clock::time_point>& at,
            const std::optional<std::chrono::steady_clock::time_point>& other) {
    if (other && (!at || *other < *at)) at = other;
}

}  // namespace

supervisor::supervisor(int children, const plan& what)
    : children_(children),
      plan_(what),
      output_(spool_, what.secrets),
      group_(what.terms.flags & SIGRUN_SHIM_GROUPED ? SIGRUN_SHIM_GROUP_FD : -1),
      limits_(what.limits, group_.folder()),
      workspace_(what.workspace, what.limits.workspace),
      executor_(SIGRUN_SHIM_CONTROL_FD, what.terms.flags & SIGRUN_SHIM_OUTLIVES ? SIGRUN_SHIM_FOLDER_FD : -1) {
    result_.exit_code = -1;
    measured_.disk_free = measured_.inodes_free = SIGRUN_SHIM_NO_LIMIT;
    if (what.terms.deadline_ns) deadline_ = clock::time_point(span(what.terms.deadline_ns));
}

bool supervisor::prepare() { return spool_.open(); }

// False: why is in the result.
bool supervisor::begin_setting() {
    result_.exit_code = -1;
    if (!output_.open(plan_.setting)) {
        result_.refused_stage = plan_.setting.what & SIGRUN_SHIM_PTY ? SIGRUN_SHIM_STAGE_PTY : SIGRUN_SHIM_STAGE_FORK;
        result_.refused_error = errno;
    } else if (int error = keeper_.begin(plan_)) {
        result_.refused_stage = SIGRUN_SHIM_STAGE_NAMESPACE;
        result_.refused_error = error;
    }
    return result_.refused_stage == 0;
}

void supervisor::run() {
    if (begin_setting()) start_step();
    for (;;) {
        output_.move();
        reap();
        if (main_ == 0 && !last_step_over_) {
            step_ended();
            continue;
        }
        if (gave_up_ || (last_step_over_ && tree_is_empty() && output_is_over())) break;
        look_at_clock();
        if (gave_up_) break;
        tell_of_output();
        wait_for_event();
    }
    report();
}

void supervisor::start_step() {
    if (plan_.limited && step_ > 0) limits_.read_counts(before_step_);
    result_.step = static_cast<std::uint32_t>(step_);
    result_.exit_code = -1;
    result_.signal = 0;
    stepped_.began_ns = wall_ns();
    step_began_ = clock::now();
    auto started =
        spawn(plan_.steps[step_].data(), plan_.environment.data(),
              {plan_.workdir, output_.job_end(0), output_.job_end(1), group_.folder(), &limits_, &plan_, &keeper_});
    if (started.pid > 0) {
        main_ = started.pid;
        no_child_ = false;
        sigrun_shim_started note{result_.step, main_};
        executor_.send(SIGRUN_SHIM_STARTED, &note, sizeof note);
    } else {
        result_.refused_stage = started.stage;
        result_.refused_error = started.error;
    }
}

void supervisor::reap() {
    for (;;) {
        int status = 0;
        pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid < 0 && errno == EINTR) continue;
        no_child_ = pid < 0;
        if (pid <= 0) return;
        if (pid == keeper_.pid()) keeper_.ended();
        if (pid != main_) continue;
        main_ = 0;
        result_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        result_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
}

void supervisor::note_step() {
    // Of a program that is not there a shell would say so.
    const bool no_program = result_.refused_stage == SIGRUN_SHIM_STAGE_EXEC;
    const int missing =
        result_.refused_error == ENOENT || result_.refused_error == ENOTDIR ? k_not_found : k_not_executable;
    stepped_.exit_code = no_program ? missing : result_.exit_code;
    stepped_.signal = result_.signal;
    stepped_.wall_ns = static_cast<std::uint64_t>(nanoseconds(clock::now() - step_began_).count());
    if (plan_.terms.flags & SIGRUN_SHIM_STEPWISE) spool_.stepped(result_.step, stepped_);
    if (!no_program || !plan_.may_fail[step_]) return;
    result_.exit_code = missing;
    result_.refused_stage = 0;
    result_.refused_error = 0;
}

bool supervisor::goes_on() const {
    const bool fine = result_.exit_code == 0 || (plan_.may_fail[step_] && !result_.refused_stage);
    return fine && !result_.ladder && step_ + 1 < plan_.steps.size();
}

void supervisor::step_ended() {
    note_step();
    if (goes_on()) {
        ++step_;
        start_step();
        return;
    }
    last_step_over_ = true;
    if (result_.exit_code != 0 && !result_.ladder) look_at_disk();
    output_.close_job_ends();
    const std::size_t kept = keeper_.pid() > 0 ? 1 : 0;  // ends by itself once it is alone
    keeper_.let_go();
    if (tree_is_empty() || result_.ladder) return;
    const auto told = std::max<std::size_t>(signal_descendants(SIGTERM), 1);
    result_.leftovers = static_cast<std::uint32_t>(told - std::min(told, kept));
    signal_descendants(SIGCONT);
    auto settled = clock::now() + k_settle;
    kill_at_ = kill_at_ ? std::min(*kill_at_, settled) : settled;
}

bool supervisor::tree_is_empty() { return no_child_ && !group_.populated(); }

// Nobody of the tree can write any more; somebody else may have been given a pipe, and is not waited for for long.
bool supervisor::output_is_over() {
    kill_at_.reset();
    if (output_.ended()) return true;
    auto now = clock::now();
    if (output_.stuck()) {
        drain_until_.reset();
        return given_up_on_;  // else whoever reads the spool makes room
    }
    if (!drain_until_) drain_until_ = now + span(plan_.terms.drain_ns);
    return now >= *drain_until_;
}

void supervisor::look_at_clock() {
    auto now = clock::now();
    if (deadline_ && now >= *deadline_) {
        deadline_.reset();
        begin_ladder(SIGRUN_SHIM_TIMEOUT, span(plan_.terms.grace_ns));
    }
    if (workspace_.active() && !last_step_over_ && !result_.ladder && now >= workspace_.next() && workspace_.look())
        begin_ladder(SIGRUN_SHIM_WORKSPACE, span(plan_.terms.grace_ns));
    if (orphan_until_ && now >= *orphan_until_) nobody_comes();
    if (kill_at_ && now >= *kill_at_) kill_rest();
}

void supervisor::begin_ladder(std::uint32_t cause, nanoseconds grace) {
    if (last_step_over_ && no_child_) return;
    bool first = result_.ladder == 0 && !last_step_over_;
    auto at = clock::now() + grace;
    if (first || cause != SIGRUN_SHIM_ORPHANED) kill_at_ = kill_at_ ? std::min(*kill_at_, at) : at;
    if (!first) return;
    result_.ladder = cause;
    signal_descendants(SIGTERM);
    signal_descendants(SIGCONT);  // a stopped process would sleep through the grace
}

void supervisor::kill_rest() {
    auto now = clock::now();
    if (!give_up_at_) give_up_at_ = now + k_give_up;
    group_.kill();
    auto found = signal_descendants(SIGKILL);
    gave_up_ = now >= *give_up_at_;
    if (gave_up_) result_.survivors = static_cast<std::uint32_t>(std::max<std::size_t>(found, 1));
    kill_at_ = now + k_kill_again;
}

void supervisor::wait_for_event() {
    auto wake = kill_at_;
    if (!last_step_over_) sooner(wake, deadline_);
    if (!last_step_over_ && !result_.ladder && workspace_.active()) sooner(wake, workspace_.next());
    sooner(wake, orphan_until_);
    sooner(wake, drain_until_);
    sooner(wake, output_.retry_at());
    int timeout = -1;
    if (wake) {
        auto left = std::chrono::ceil<milliseconds>(*wake - clock::now()).count();
        timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
    }
    pollfd watched[4] = {{children_, POLLIN, 0}, {executor_.descriptor(), POLLIN, 0}, {}, {}};
    output_.watch(watched + 2);
    if (::poll(watched, 4, timeout) <= 0) return;
    if (watched[0].revents) {
        signalfd_siginfo ignored[16];
        while (::read(children_, ignored, sizeof ignored) > 0) {
        }
    }
    if (watched[1].revents) look_at_executor();
}

void supervisor::look_at_executor() {
    if (!executor_.connected()) {
        if (!executor_.accept()) return;
        orphan_until_.reset();
        given_up_on_ = false;
        told_ = false;
        read_up_to_ = 0;
        return;
    }
    bool there = executor_.receive([this](const sigrun_shim_head& head, const char* body) { take_order(head, body); });
    if (!there) executor_gone();
}

void supervisor::take_order(const sigrun_shim_head& head, const char* body) {
    if (head.type == SIGRUN_SHIM_KILL && head.length == sizeof(sigrun_shim_kill)) {
        sigrun_shim_kill kill{};
        std::memcpy(&kill, body, sizeof kill);
        begin_ladder(std::max<std::uint32_t>(kill.cause, SIGRUN_SHIM_CANCELLED), span(kill.grace_ns));
    } else if (head.type == SIGRUN_SHIM_PROGRESS && head.length == sizeof(sigrun_shim_progress)) {
        sigrun_shim_progress how{};
        std::memcpy(&how, body, sizeof how);
        told_ = false;
        read_up_to_ = how.read_position;
        spool_.free_up_to(how.free_position, how.free_offset);
    } else if (head.type == SIGRUN_SHIM_DISCARD) {
        output_.discard();
    }
}

void supervisor::executor_gone() {
    if (executor_.wait_for_another())
        orphan_until_ = clock::now() + span(plan_.terms.orphan_grace_ns);
    else
        nobody_comes();
}

void supervisor::nobody_comes() {
    orphan_until_.reset();
    given_up_on_ = true;
    begin_ladder(SIGRUN_SHIM_ORPHANED, span(plan_.terms.grace_ns));
}

void supervisor::tell_of_output() {
    if (told_ || !executor_.connected() || spool_.position() <= read_up_to_) return;
    sigrun_shim_written note{spool_.position(), spool_.base()};
    executor_.send(SIGRUN_SHIM_WRITTEN, &note, sizeof note);
    told_ = true;
}

// Whether that is why it failed: a moment later its files may be gone.
void supervisor::look_at_disk() {
    struct statvfs disk {};
    if (::statvfs(plan_.workdir, &disk) != 0) return;
    // Root may use what is kept back for it.
    auto blocks = ::geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
    measured_.disk_free = static_cast<std::uint64_t>(blocks) * disk.f_frsize;
    if (disk.f_files > 0) measured_.inodes_free = disk.f_favail;
}

void supervisor::measure() {
    if (!plan_.limited && measured_.disk_free == SIGRUN_SHIM_NO_LIMIT) return;
    limits_.read_counts(measured_);
    // What an earlier step got over is no reason for the failure of this one.
    measured_.oom_kills -= std::min(measured_.oom_kills, before_step_.oom_kills);
    measured_.pids_refused -= std::min(measured_.pids_refused, before_step_.pids_refused);
    if (workspace_.active()) {
        workspace_.look();
        measured_.workspace_peak = workspace_.peak();
    }
    spool_.measured(measured_);
    executor_.send(SIGRUN_SHIM_MEASURED, &measured_, sizeof measured_);
}

void supervisor::report() {
    measure();
    rusage used{};
    ::getrusage(RUSAGE_CHILDREN, &used);
    result_.wall_ns = static_cast<std::uint64_t>(nanoseconds(clock::now() - began_).count());
    result_.user_ns = to_ns(used.ru_utime);
    result_.system_ns = to_ns(used.ru_stime);
    result_.max_rss_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024u;
    result_.position = spool_.position();
    result_.base = spool_.base();
    result_.lost_bytes = output_.left_behind();
    spool_.close(result_);
    executor_.stop_waiting();
    executor_.send(SIGRUN_SHIM_EXITED, &result_, sizeof result_);
}

}  // namespace sigrun::shim
