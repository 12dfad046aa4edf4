#include "kernel/guard/crash_reporter.hpp"

#include "kernel/guard/code_map.hpp"
#include "kernel/guard/crash_record.hpp"
#include "kernel/guard/stack_walk.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace sigrun {
namespace {

constexpr std::array k_signals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr std::size_t k_shown_frames = 24;
constexpr std::size_t k_stack_bytes = 64 * 1024;

int g_file = -1;
char g_program[32];
char g_boot[40];
std::atomic<pid_t> g_reporting{0};  // the thread that reports
walked_stack g_stack;               // its; too large for a small signal stack

// A line put together without allocation; what does not fit is cut.
class line {
public:
    line& operator<<(const char* text) noexcept {
        while (*text && used_ < sizeof text_ - 1) text_[used_++] = *text++;
        return *this;
    }
    /// As one word of a record.
    line& word(const char* text) noexcept {
        for (; *text && used_ < sizeof text_ - 1; ++text) text_[used_++] = *text > ' ' && *text <= '~' ? *text : '_';
        return *this;
    }
    line& number(std::uint64_t n, unsigned base = 10) noexcept {
        char digits[24];
        std::size_t at = sizeof digits;
        do {
            digits[--at] = "0123456789abcdef"[n % base];
            n /= base;
        } while (n);
        while (at < sizeof digits && used_ < sizeof text_ - 1) text_[used_++] = digits[at++];
        return *this;
    }
    line& place(const code_place& where, std::uintptr_t address) noexcept {
        if (where.what == code_place::kind::unknown) return *this << "0x", number(address, 16);
        return word(where.module) << "+0x", number(where.offset, 16);
    }
    void write_to(int fd) noexcept {
        text_[used_++] = '\n';
        for (std::size_t done = 0; done < used_;) {
            ssize_t n = ::write(fd, text_ + done, used_ - done);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) break;
            done += static_cast<std::size_t>(n);
        }
        used_ = 0;
    }

private:
    char text_[1024];
    std::size_t used_ = 0;
};

struct verdict {
    const char* blame = "unknown";
    const char* how = "stack";
    code_place where;  // of the frame that decided
    std::uintptr_t address = 0;
    plugin_tag plugin;  // to blame
    bool has_outer = false;
    plugin_tag outer;  // a plugin further out
};

verdict judge(const walked_stack& stack) noexcept {
    verdict out;
    bool decided = false;
    for (std::size_t i = 0; i < stack.size; ++i) {
        code_place where;
        find_code(stack.at[i], where);
        if (i == 0) {
            out.where = where;
            out.address = stack.at[0];
        }
        const bool of_plugin = where.what == code_place::kind::plugin;
        if (!of_plugin && where.what != code_place::kind::program) continue;
        if (decided) {
            if (!of_plugin) continue;
            out.has_outer = true;
            out.outer = where.plugin;
            break;
        }
        decided = true;
        out.where = where;
        out.address = stack.at[i];
        out.how = i == 0 ? "pc" : stack.guessed ? "scan" : "stack";
        out.blame = of_plugin ? "plugin" : "program";
        out.plugin = where.plugin;
        if (of_plugin) break;
    }
    // In the loader on a plugin's behalf: its constructors, which the map does not know yet.
    const plugin_tag* loading = loading_plugin::current();
    if (loading && std::strcmp(out.blame, "plugin") != 0) {
        out.blame = "plugin";
        out.how = "loading";
        out.plugin = *loading;
        out.has_outer = false;
    }
    return out;
}

std::uint64_t nanoseconds_of(clockid_t which) noexcept {
    timespec t{};
    clock_gettime(which, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

void write_record(int signal, const verdict& v) noexcept {
    line out;
    out << "time=";
    out.number(nanoseconds_of(CLOCK_REALTIME)) << " up=";
    out.number(nanoseconds_of(CLOCK_BOOTTIME)) << " boot=" << g_boot << " pid=";
    out.number(static_cast<std::uint64_t>(::getpid())) << " signal=";
    out.number(static_cast<std::uint64_t>(signal)) << " blame=" << v.blame;
    if (std::strcmp(v.blame, "plugin") == 0) {
        (out << " plugin=").word(v.plugin.id) << " version=";
        out.word(v.plugin.version) << " sha256=";
        out.word(v.plugin.sha256) << " generation=";
        out.number(v.plugin.generation);
    }
    out << " how=" << v.how << " at=";
    out.place(v.where, v.address);
    if (v.has_outer) (out << " outer=").word(v.outer.id);
    out << " end";
    out.write_to(g_file);
}

void tell(int signal, const verdict& v) noexcept {
    line out;
    out << g_program << ": " << signal_name(signal);
    if (std::strcmp(v.blame, "plugin") == 0) {
        (out << " in plugin ").word(v.plugin.id) << " ";
        out.word(v.plugin.version) << " (generation ";
        out.number(v.plugin.generation) << (v.where.gone ? ", unmapped before)" : ")");
    } else if (std::strcmp(v.blame, "program") == 0) {
        out << " in " << g_program << " itself";
        if (v.has_outer) (out << ", called by plugin ").word(v.outer.id);
    } else if (std::strcmp(v.blame, "sent") == 0) {
        out << ", sent by another process";
    } else {
        out << " in code that is neither a plugin's nor " << g_program << "'s";
    }
    out.write_to(STDERR_FILENO);
    for (std::size_t i = 0; i < g_stack.size && i < k_shown_frames; ++i) {
        code_place where;
        find_code(g_stack.at[i], where);
        (out << "  #").number(i) << (g_stack.guessed && i ? " perhaps " : " ");
        out.place(where, g_stack.at[i]);
        out.write_to(STDERR_FILENO);
    }
}

void default_action() noexcept {
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    for (int s : k_signals) ::sigaction(s, &plain, nullptr);
}

void on_fatal_signal(int signal, siginfo_t* info, void* context) {
    const int before = errno;
    const auto me = static_cast<pid_t>(::syscall(SYS_gettid));
    pid_t expected = 0;
    if (!g_reporting.compare_exchange_strong(expected, me)) {
        // Another thread crashed first: it ends the process. The same one again: the stack could not be read, or the report
        // went wrong, which ends it without more words.
        while (expected != me) ::pause();
        abandon_stack_walk();
        default_action();
        return;
    }
    const bool raised = info->si_code <= 0;  // by kill or raise, not by what the code did
    if (raised && info->si_pid != ::getpid()) {
        verdict v;
        v.blame = "sent";
        v.how = "pid";
        g_stack.size = 0;
        write_record(signal, v);
        tell(signal, v);
    } else {
        walk_stack(fault_point_of(context), g_stack);
        const verdict v = judge(g_stack);
        write_record(signal, v);
        tell(signal, v);
    }
    default_action();
    // What the code did happens again as soon as this returns, and leaves the right core; what was sent must be sent again.
    if (raised) ::syscall(SYS_tgkill, ::getpid(), me, signal);
    errno = before;
}

// A thread's own signal stack.
struct alternate_stack {
    void* memory = MAP_FAILED;
    ~alternate_stack() {
        if (memory == MAP_FAILED) return;
        stack_t none{};
        none.ss_flags = SS_DISABLE;
        ::sigaltstack(&none, nullptr);
        ::munmap(memory, k_stack_bytes);
    }
};
thread_local alternate_stack t_stack;

}  // namespace

result<void> report_crashes_to(const std::string& file, const std::string& program) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return problem{errc::io, "crashes could not be written down", "state-dir", "a directory this user can write",
                       file + " (" + std::strerror(errno) + ")"};
    if (g_file >= 0) ::close(g_file);
    g_file = fd;
    program.copy(g_program, sizeof g_program - 1);
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    boot.copy(g_boot, sizeof g_boot - 1);
    map_program_code();
    prime_stack_walk();
    use_alternate_stack();
    struct sigaction ours {};
    ours.sa_sigaction = &on_fatal_signal;
    // NODEFER: a fault while the stack is read comes back to the handler instead of ending the process without a word.
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&ours.sa_mask);
    for (int s : k_signals) {
        struct sigaction now {};
        if (::sigaction(s, nullptr, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
            ::sigaction(s, &ours, nullptr);
    }
    return {};
}

void use_alternate_stack() noexcept {
    stack_t now{};
    if (::sigaltstack(nullptr, &now) != 0 || !(now.ss_flags & SS_DISABLE)) return;
    void* memory = ::mmap(nullptr, k_stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    stack_t own{};
    own.ss_sp = memory;
    own.ss_size = k_stack_bytes;
    if (::sigaltstack(&own, nullptr) == 0)
        t_stack.memory = memory;
    else
        ::munmap(memory, k_stack_bytes);
}

}  // namespace sigrun
