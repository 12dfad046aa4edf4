// Whose code a fatal signal hit: real crashes in real plugins, each in a process of its own.
#include "kernel/guard/crash_record.hpp"
#include "kernel/guard/crash_reporter.hpp"
#include "plugin_folder.hpp"

#include <sigrun/balancer.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

namespace sigrun {
namespace {

using namespace testing;

// Sanitizers handle these signals themselves, and are left alone.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool k_handled = false;
#else
constexpr bool k_handled = true;
#endif

struct crash_blame : ::testing::Test {
    plugin_folder folder;
    const std::string file = (fs::path(folder.plugins()).parent_path() / "crash").string();

    void SetUp() override {
        if (!k_handled) GTEST_SKIP() << "a sanitizer handles these signals";
    }
    /// Runs `body` in a child that reports its crashes; the record it left, and what ended it.
    template <class Body>
    crash_record crash_of(Body body, int expected_signal) {
        const pid_t child = ::fork();
        if (child == 0) {
            // The core that its death would leave is nobody's.
            const rlimit none{0, 0};
            ::setrlimit(RLIMIT_CORE, &none);
            if (report_crashes_to(file, "test")) body();
            ::_exit(99);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
        EXPECT_EQ(WTERMSIG(status), expected_signal) << "the signal still ends it";
        const auto records = parse_crashes(content_of(file));
        EXPECT_EQ(records.size(), 1u) << content_of(file);
        if (records.empty()) return {};
        EXPECT_EQ(records[0].signal, expected_signal);
        EXPECT_EQ(records[0].pid, child);
        EXPECT_FALSE(records[0].boot.empty());
        return records[0];
    }
    /// Three picks of a crasher in this mode.
    void pick_thrice(const std::string& mode) {
        folder.add("crasher");
        metrics numbers;
        auto config = ini("[instance crasher]\ncomponent = crasher:crasher\nmode = " + mode + "\n");
        plugin_host host(folder.options(), config, numbers);
        if (!host.load_all() || !host.start_all()) return;
        auto found = host.find(SIGRUN_KIND_BALANCER, "crasher");
        if (!found) return;
        const auto* table = found->table<sigrun_balancer>(SIGRUN_KIND_BALANCER);
        // Where the kernel calls plugins from: a thread of its own lanes.
        for (int i = 0; i < 3; ++i)
            host.post_work([table] { table->pick(nullptr, nullptr, nullptr, 0, nullptr, nullptr); });
        host.shutdown();
    }
    void expect_crasher(const crash_record& c, const std::string& how) {
        EXPECT_EQ(c.blame, "plugin");
        EXPECT_EQ(c.plugin, "test.crasher");
        EXPECT_EQ(c.version, "1.1.0");
        EXPECT_EQ(c.sha256.size(), 64u);
        EXPECT_EQ(c.how, how);
        EXPECT_TRUE(c.at.starts_with("test.crasher-g")) << c.at;
        EXPECT_NE(c.at.find(".so+0x"), std::string::npos) << c.at;
    }
};

TEST_F(crash_blame, a_plugin_that_writes_nowhere) {
    expect_crasher(crash_of([this] { pick_thrice("segv"); }, SIGSEGV), "pc");
}
#if defined(__x86_64__)  // elsewhere the result is a number
TEST_F(crash_blame, a_plugin_that_divides_by_zero) {
    expect_crasher(crash_of([this] { pick_thrice("divide"); }, SIGFPE), "pc");
}
#endif
TEST_F(crash_blame, a_plugin_that_aborts_in_a_system_library) {
    expect_crasher(crash_of([this] { pick_thrice("abort"); }, SIGABRT), "stack");
}
TEST_F(crash_blame, a_plugin_that_gives_the_c_library_a_bad_pointer) {
    expect_crasher(crash_of([this] { pick_thrice("memcpy"); }, SIGSEGV), "stack");
}
TEST_F(crash_blame, a_plugin_that_jumps_to_nowhere) {
    expect_crasher(crash_of([this] { pick_thrice("null"); }, SIGSEGV), "scan");
}
TEST_F(crash_blame, a_plugin_whose_own_thread_crashes) {
    expect_crasher(crash_of([this] { pick_thrice("thread"); }, SIGSEGV), "pc");
}
TEST_F(crash_blame, a_plugin_that_overflows_the_stack) {
    expect_crasher(crash_of([this] { pick_thrice("overflow"); }, SIGSEGV), "pc");
}

TEST_F(crash_blame, a_plugin_whose_static_constructor_crashes_is_known_while_it_is_loaded) {
    folder.add("crashes");
    auto c = crash_of(
        [this] {
            metrics numbers;
            plugin_host host(folder.options(), {}, numbers);
            (void)host.load_all();
        },
        SIGABRT);
    EXPECT_EQ(c.blame, "plugin");
    EXPECT_EQ(c.plugin, "test.plain");
    EXPECT_EQ(c.how, "loading");
}

// The kernel calls a function that is not there, on a stack that a plugin is on as well.
void call_nothing(const result<buffer_ref>&) {
    void (*volatile nothing)() = nullptr;
    nothing();
    ::_exit(98);  // keeps the call from being the last one
}

TEST_F(crash_blame, the_program_s_own_crash_is_not_the_plugin_s_that_called_it) {
    folder.add("plain");
    auto c = crash_of(
        [this] {
            metrics numbers;
            plugin_host host(folder.options(), {}, numbers);
            if (!host.load_all() || !host.start_all()) return;
            auto probe = host.find(SIGRUN_KIND_PROBE, "plain");
            const auto op = host.ops().mint(probe->generation_number(), &call_nothing);
            sigrun_probe_req request{};
            request.struct_size = sizeof request;
            probe->table<sigrun_probe>(SIGRUN_KIND_PROBE)->run(probe->abi(), &request, nullptr, op);
        },
        SIGSEGV);
    EXPECT_EQ(c.blame, "program");
    EXPECT_EQ(c.plugin, "");
    EXPECT_EQ(c.outer, "test.plain") << "but it is said that it was there";
}

TEST_F(crash_blame, the_program_s_abort_without_any_plugin) {
    auto c = crash_of([] { std::abort(); }, SIGABRT);
    EXPECT_EQ(c.blame, "program");
    EXPECT_EQ(c.outer, "");
}

TEST_F(crash_blame, a_thread_that_has_only_library_code_on_its_stack_is_unknown) {
    auto c = crash_of(
        [] {
            // A thread that begins in libc's own function: strlen of an address that is not there.
            pthread_t thread;
            auto* begin = reinterpret_cast<void* (*)(void*)>(reinterpret_cast<void*>(&::strlen));
            if (pthread_create(&thread, nullptr, begin, reinterpret_cast<void*>(8)) == 0) pthread_join(thread, nullptr);
        },
        SIGSEGV);
    EXPECT_EQ(c.blame, "unknown");
}

TEST_F(crash_blame, a_signal_that_another_process_sent_is_nobody_s) {
    folder.add("plain");
    auto c = crash_of(
        [this] {
            metrics numbers;
            plugin_host host(folder.options(), {}, numbers);
            if (!host.load_all()) return;
            const pid_t parent = ::getpid();
            if (::fork() == 0) {
                ::kill(parent, SIGSEGV);
                ::_exit(0);
            }
            for (;;) ::pause();
        },
        SIGSEGV);
    EXPECT_EQ(c.blame, "sent");
}

TEST_F(crash_blame, threads_that_crash_together_leave_one_record) {
    auto c = crash_of(
        [this] {
            folder.add("crasher");
            metrics numbers;
            auto config = ini("[instance crasher]\ncomponent = crasher:crasher\nafter = 1\n");
            plugin_host host(folder.options(), config, numbers);
            if (!host.load_all()) return;
            const auto* table =
                host.find(SIGRUN_KIND_BALANCER, "crasher")->table<sigrun_balancer>(SIGRUN_KIND_BALANCER);
            std::vector<std::thread> others;
            for (int i = 0; i < 8; ++i)
                others.emplace_back([] {
                    int* volatile nowhere = nullptr;
                    *nowhere = 1;
                });
            table->pick(nullptr, nullptr, nullptr, 0, nullptr, nullptr);
            for (auto& t : others) t.join();
        },
        SIGSEGV);
    EXPECT_TRUE(c.blame == "plugin" || c.blame == "program") << c.blame;
}

}  // namespace
}  // namespace sigrun
