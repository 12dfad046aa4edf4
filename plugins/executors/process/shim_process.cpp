#include "shim_process.hpp"

#include <sigrun/cpp/error.hpp>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace sigrun::process {
namespace {

// Above the numbers the shim wants, so that no dup2 in the child can overwrite another's source.
constexpr int k_above = 10;
constexpr timeval k_send_limit{5, 0};

[[noreturn]] void os_failure(std::string_view what, int error) {
    throw sdk::failure(SIGRUN_E_IO, sdk::concat(what, ": ", std::strerror(error)));
}

descriptor raised(int fd) {
    int high = ::fcntl(fd, F_DUPFD_CLOEXEC, k_above);
    int error = errno;
    ::close(fd);
    if (high < 0) os_failure("no file descriptor for the job", error);
    return descriptor(high);
}

struct two_ends {
    descriptor ours, theirs;
};

two_ends make_control() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) os_failure("no socket for the shim", errno);
    two_ends made;
    made.ours = descriptor(ends[0]);
    made.theirs = raised(ends[1]);
    return made;
}

void set_non_blocking(const descriptor& d) { ::fcntl(d.get(), F_SETFL, ::fcntl(d.get(), F_GETFL) | O_NONBLOCK); }

class spawn_settings {
public:
    spawn_settings() {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
    }
    spawn_settings(const spawn_settings&) = delete;
    spawn_settings& operator=(const spawn_settings&) = delete;
    ~spawn_settings() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
};

pid_t spawn(const std::string& program, const std::string& label, int control, const shim_files& files) {
    spawn_settings with;
    ::posix_spawn_file_actions_addopen(&with.actions, 0, "/dev/null", O_RDWR, 0);
    ::posix_spawn_file_actions_adddup2(&with.actions, 0, 1);
    ::posix_spawn_file_actions_adddup2(&with.actions, 0, 2);
    auto give = [&](int fd, int as) {
        if (fd >= 0) ::posix_spawn_file_actions_adddup2(&with.actions, fd, as);
    };
    give(control, SIGRUN_SHIM_CONTROL_FD);
    give(files.spool, SIGRUN_SHIM_SPOOL_FD);
    give(files.folder, SIGRUN_SHIM_FOLDER_FD);
    give(files.group, SIGRUN_SHIM_GROUP_FD);
    for (int i = 0; i < 3; ++i) give(files.v1[static_cast<std::size_t>(i)], SIGRUN_SHIM_MEMORY_FD + i);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&with.attributes, &none);
    ::posix_spawnattr_setsigdefault(&with.attributes, &all);
    // A session of its own: Ctrl-C at the agent's terminal is for the agent, which then drains.
    ::posix_spawnattr_setflags(&with.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    std::string name = "sigrun-shim", shown = label;
    char* argv[] = {name.data(), shown.data(), nullptr};
    char* environment[] = {nullptr};
    pid_t pid = 0;
    int error = program.find('/') == std::string::npos
                    ? ::posix_spawnp(&pid, program.c_str(), &with.actions, &with.attributes, argv, environment)
                    : ::posix_spawn(&pid, program.c_str(), &with.actions, &with.attributes, argv, environment);
    if (error != 0) os_failure(sdk::concat("cannot start ", program), error);
    return pid;
}

void send_all(int fd, std::string_view message) {
    while (!message.empty()) {
        ssize_t n = ::send(fd, message.data(), message.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) os_failure("sigrun-shim takes no orders", errno);
        message.remove_prefix(static_cast<std::size_t>(n));
    }
}

template <class Number>
void put(std::string& to, const Number& value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_setting(std::string& to, const setting_plan& what) {
    sigrun_shim_setting head = what.shim;
    head.n_groups = static_cast<std::uint32_t>(what.groups.size());
    head.n_filter = static_cast<std::uint32_t>(what.filter.size());
    head.n_writable = static_cast<std::uint32_t>(what.writable.size());
    put(to, head);
    for (auto group : what.groups) put(to, group);
    for (auto instruction : what.filter) put(to, instruction);
}

}  // namespace

std::string encode(const shim_plan& plan) {
    sigrun_shim_start start = plan.terms;
    start.n_steps = static_cast<std::uint32_t>(plan.steps.size());
    start.n_env = static_cast<std::uint32_t>(plan.environment.size());
    start.n_secrets = static_cast<std::uint32_t>(plan.secrets.size());
    std::string body;
    if (plan.limits) start.flags |= SIGRUN_SHIM_LIMITED;
    if (plan.setting) start.flags |= SIGRUN_SHIM_SET;
    put(body, start);
    if (plan.limits) put(body, *plan.limits);
    if (plan.setting) put_setting(body, *plan.setting);
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const bool may_fail = i < plan.may_fail.size() && plan.may_fail[i];
        put(body, static_cast<std::uint32_t>(plan.steps[i].size()) | (may_fail ? SIGRUN_SHIM_STEP_MAY_FAIL : 0u));
    }
    auto text = [&](const std::string& s) { body.append(s.c_str(), s.size() + 1); };
    text(plan.workdir);
    if (plan.limits || plan.setting) text(plan.workspace);
    for (const auto& line : plan.environment) text(line);
    if (plan.setting)
        for (const auto& path : plan.setting->writable) text(path);
    for (const auto& argv : plan.steps)
        for (const auto& argument : argv) text(argument);
    for (const auto& secret : plan.secrets) text(secret);
    if (body.size() > SIGRUN_SHIM_MAX_MESSAGE) return {};
    sigrun_shim_head head{SIGRUN_SHIM_START, static_cast<std::uint32_t>(body.size())};
    std::string message;
    message.reserve(sizeof head + body.size());
    put(message, head);
    return message += body;
}

shim_process start_shim(const std::string& program, const std::string& label, std::string_view message,
                        const shim_files& files) {
    auto control = make_control();
    // Copies above every number that a dup2 in the child writes to.
    auto lifted = [](int fd) { return descriptor(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, k_above)); };
    auto spool = lifted(files.spool), folder = lifted(files.folder), group = lifted(files.group);
    std::array<descriptor, 3> v1{lifted(files.v1[0]), lifted(files.v1[1]), lifted(files.v1[2])};
    shim_process made;
    made.pid = spawn(program, label, control.theirs.get(),
                     {spool.get(), folder.get(), group.get(), {v1[0].get(), v1[1].get(), v1[2].get()}});
    try {
        made.exit = watch_process(made.pid);
        if (!made.exit) os_failure("no pidfd for sigrun-shim", errno);
        control.theirs.reset();
        ::setsockopt(control.ours.get(), SOL_SOCKET, SO_SNDTIMEO, &k_send_limit, sizeof k_send_limit);
        send_all(control.ours.get(), message);
    } catch (...) {
        ::kill(made.pid, SIGKILL);
        ::waitpid(made.pid, nullptr, 0);
        throw;
    }
    made.control = std::move(control.ours);
    set_non_blocking(made.control);
    return made;
}

descriptor watch_process(pid_t pid) {
    // glibc 2.36 declares pidfd_open without extern "C".
    return descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

descriptor connect_shim(const descriptor& folder) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    // By way of the descriptor: a path is at most 107 bytes there.
    std::snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", folder.get(), SIGRUN_SHIM_SOCKET);
    descriptor made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made || ::connect(made.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return {};
    return made;
}

bool send_order(const descriptor& control, std::uint32_t type, const void* body, std::size_t size) {
    if (!control) return false;
    char message[128];
    sigrun_shim_head head{type, static_cast<std::uint32_t>(size)};
    std::memcpy(message, &head, sizeof head);
    if (size) std::memcpy(message + sizeof head, body, size);
    return ::send(control.get(), message, sizeof head + size, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

std::string find_shim(const std::string& configured) {
    if (!configured.empty()) return configured;
    std::error_code ec;
    auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
    if (!ec) {
        auto beside = self.parent_path() / "sigrun-shim";
        if (::access(beside.c_str(), X_OK) == 0) return beside.string();
    }
    return "sigrun-shim";
}

}  // namespace sigrun::process
