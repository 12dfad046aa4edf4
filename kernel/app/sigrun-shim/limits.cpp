#include "limits.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

namespace sigrun::shim {
namespace {

struct hierarchy {
    std::uint32_t which;
    int folder;
};
constexpr hierarchy k_v1[] = {{SIGRUN_SHIM_BY_MEMORY, SIGRUN_SHIM_MEMORY_FD},
                              {SIGRUN_SHIM_BY_PIDS, SIGRUN_SHIM_PIDS_FD},
                              {SIGRUN_SHIM_BY_CPUS, SIGRUN_SHIM_CPUS_FD}};

struct small_text {
    char room[512];
    std::size_t size = 0;
    std::string_view view() const { return {room, size}; }
};

small_text read_small(int folder, const char* name) {
    small_text text;
    int fd = ::openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return text;
    ssize_t n = ::read(fd, text.room, sizeof text.room);
    ::close(fd);
    text.size = n > 0 ? static_cast<std::size_t>(n) : 0;
    return text;
}

std::uint64_t number_in(std::string_view text) {
    std::uint64_t n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
}

// "name 17" on a line of its own.
std::uint64_t count_of(std::string_view text, std::string_view name) {
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ')
            return number_in(line.substr(name.size() + 1));
    }
    return 0;
}

// Also where the hard limit is lower already: then that holds.
int lower_one(int resource, std::uint64_t to) noexcept {
    if (to == SIGRUN_SHIM_NO_LIMIT) return 0;
    rlimit now{};
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &now) != 0) return errno;
    now.rlim_cur = now.rlim_max = std::min<rlim_t>(to, now.rlim_max);
    return ::setrlimit(static_cast<__rlimit_resource>(resource), &now) == 0 ? 0 : errno;
}

}  // namespace

int limits::join() const noexcept {
    if (!v1()) return 0;
    for (const auto& one : k_v1) {
        if (!holds(one.which)) continue;
        int members = ::openat(one.folder, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (members < 0) return errno;
        ssize_t n = ::write(members, "0", 1);
        int error = errno;
        ::close(members);
        if (n != 1) return error;
    }
    return 0;
}

int limits::lower() const noexcept {
    for (auto [resource, to] : {std::pair{RLIMIT_CORE, what_.core},
                                {RLIMIT_FSIZE, what_.file_size},
                                {RLIMIT_NOFILE, what_.open_files},
                                {RLIMIT_NPROC, what_.processes},
                                {RLIMIT_AS, what_.address_space}})
        if (int error = lower_one(resource, to)) return error;
    return 0;
}

void limits::read_counts(sigrun_shim_measured& to) const {
    to.controllers = what_.controllers;
    if (holds(SIGRUN_SHIM_BY_MEMORY)) {
        int folder = v1() ? SIGRUN_SHIM_MEMORY_FD : group_;
        to.oom_kills = count_of(read_small(folder, v1() ? "memory.oom_control" : "memory.events").view(), "oom_kill");
        to.memory_peak = number_in(read_small(folder, v1() ? "memory.max_usage_in_bytes" : "memory.peak").view());
    }
    if (holds(SIGRUN_SHIM_BY_PIDS)) {
        int folder = v1() ? SIGRUN_SHIM_PIDS_FD : group_;
        to.pids_refused = count_of(read_small(folder, "pids.events").view(), "max");
        to.pids_peak = number_in(read_small(folder, "pids.peak").view());
    }
}

}  // namespace sigrun::shim
