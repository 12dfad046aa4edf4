// The trial in a child: what it finds out, and that nothing of it stays.
#include "user_namespace_trial.hpp"

#include "fixtures/machines/rig.hpp"

#include <sys/syscall.h>

#include <atomic>
#include <csignal>
#include <thread>

namespace sigrun::security {
namespace {

using kind = trial_outcome::kind;
using std::chrono::milliseconds;
constexpr milliseconds k_patient{20'000};

/// Children of this process, also dead ones, and its open descriptors.
std::string children() {
    std::string all;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
        all += machines::slurp(task.path().string() + "/children");
    return all;
}
std::size_t descriptors() {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
    return n;
}

TEST(user_namespace_trial, mission_D17_finds_what_unshare_finds) {
    int status = 0;
    machines::output_of("unshare --user --map-root-user --mount true 2>&1", &status);
    ASSERT_NE(status, 127) << "unshare is missing";
    const auto outcome = try_user_namespace(k_patient);
    EXPECT_EQ(outcome.result == kind::works, status == 0)
        << static_cast<int>(outcome.result) << " " << outcome.error << " " << outcome.step;
    EXPECT_TRUE(outcome.result == kind::works || outcome.result == kind::refused);
}

TEST(user_namespace_trial, is_refused_where_the_limit_is_0) {
    if (try_user_namespace(k_patient).result != kind::works)
        GTEST_SKIP() << "the limit is set in a namespace of its own";
    // The limit belongs to a user namespace, so this changes nothing for the machine.
    const int pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        const auto write = [](const char* path, const std::string& text) {
            const int fd = ::open(path, O_WRONLY);
            const bool good = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
            ::close(fd);
            return good;
        };
        const auto map = "0 " + std::to_string(::geteuid()) + " 1\n";
        if (::unshare(CLONE_NEWUSER) != 0 || !write("/proc/self/uid_map", map)) ::_exit(1);
        if (!write("/proc/sys/user/max_user_namespaces", "0\n")) ::_exit(2);
        const auto outcome = try_user_namespace(k_patient);
        ::_exit(outcome.result == kind::refused && outcome.error == ENOSPC && outcome.step == "a user namespace" ? 0
                                                                                                                 : 3);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(user_namespace_trial, leaves_no_child_and_no_descriptor) {
    const auto before = descriptors();
    for (int i = 0; i < 20; ++i) try_user_namespace(k_patient);
    EXPECT_EQ(children(), "");
    EXPECT_EQ(descriptors(), before);
}

TEST(user_namespace_trial, this_process_stays_in_its_own_namespace) {
    const auto before = std::filesystem::read_symlink("/proc/self/ns/user");
    try_user_namespace(k_patient);
    EXPECT_EQ(std::filesystem::read_symlink("/proc/self/ns/user"), before);
    sigset_t mask;
    ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &mask), 0);
    EXPECT_FALSE(::sigismember(&mask, SIGTERM)) << "signals are let through again";
}

TEST(user_namespace_trial, a_child_that_hangs_is_ended_at_the_limit) {
    const auto start = std::chrono::steady_clock::now();
    const auto outcome = try_in_child(
        [] {
            for (;;) ::pause();
            return 0;
        },
        milliseconds(50));
    EXPECT_EQ(outcome.result, kind::timed_out);
    EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(50));
    EXPECT_EQ(children(), "");
    EXPECT_EQ(try_in_child([] { return 0; }, k_patient).result, kind::works) << "and the next one starts";
}

TEST(user_namespace_trial, no_time_left_is_a_timeout) {
    const auto outcome = try_in_child(
        [] {
            for (;;) ::pause();
            return 0;
        },
        milliseconds(0));
    EXPECT_EQ(outcome.result, kind::timed_out);
    EXPECT_EQ(children(), "");
}

TEST(user_namespace_trial, a_child_that_is_killed_says_by_what) {
    const auto outcome = try_in_child(
        [] {
            ::syscall(SYS_kill, ::getpid(), SIGKILL);
            return 0;
        },
        k_patient);
    EXPECT_EQ(outcome.result, kind::killed);
    EXPECT_EQ(outcome.error, SIGKILL);
}

TEST(user_namespace_trial, a_refusal_carries_its_step_and_reason) {
    const auto outcome = try_in_child([] { return 2 << 6 | EPERM; }, k_patient);
    EXPECT_EQ(outcome.result, kind::refused);
    EXPECT_EQ(outcome.error, EPERM);
    EXPECT_EQ(outcome.step, "mapping its user");
}

TEST(user_namespace_trial, the_child_has_no_descriptor_of_this_process) {
    static int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    // 0 only if both ends are closed in the child.
    const auto outcome = try_in_child(
        [] { return ::fcntl(pipe_ends[0], F_GETFD) < 0 && ::fcntl(pipe_ends[1], F_GETFD) < 0 ? 0 : 1 << 6; },
        k_patient);
    EXPECT_EQ(outcome.result, kind::works);
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
}

std::atomic<int> g_signals{0};

TEST(user_namespace_trial, no_signal_reaches_the_host_and_no_handler_runs_in_the_child) {
    struct sigaction mine {
    }, before{};
    mine.sa_handler = [](int) { ++g_signals; };
    ASSERT_EQ(::sigaction(SIGCHLD, &mine, &before), 0);
    EXPECT_EQ(try_in_child([] { return ::raise(SIGCHLD); }, k_patient).result, kind::works);
    EXPECT_EQ(g_signals, 0);
    ::sigaction(SIGCHLD, &before, nullptr);
}

TEST(user_namespace_trial, threads_take_turns) {
    std::atomic<bool> stop{false};
    std::thread busy([&] {  // allocates while children are made
        while (!stop) std::string(10'000, 'x').swap(*std::make_unique<std::string>());
    });
    std::atomic<int> good{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&] {
            for (int n = 0; n < 10; ++n) good += try_in_child([] { return 0; }, k_patient).result == kind::works;
        });
    for (auto& t : callers) t.join();
    stop = true;
    busy.join();
    EXPECT_EQ(good, 40);
    EXPECT_EQ(children(), "");
}

}  // namespace
}  // namespace sigrun::security
