#include "process_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun::shim {
namespace {

// Empty also when the file is not there; `found` tells the difference.
std::string read_file(const char* path, bool& found) {
    std::string text;
    int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    found = fd >= 0;
    if (fd < 0) return text;
    char room[4096];
    for (;;) {
        ssize_t n = ::read(fd, room, sizeof room);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        text.append(room, static_cast<std::size_t>(n));
    }
    ::close(fd);
    return text;
}

void append_numbers(std::string_view text, std::vector<pid_t>& to) {
    const char* at = text.data();
    const char* end = at + text.size();
    while (at < end) {
        pid_t pid = 0;
        auto [rest, error] = std::from_chars(at, end, pid);
        if (error == std::errc() && pid > 0) to.push_back(pid);
        at = std::max(rest, at + 1);
    }
}

template <class Each>
void each_number_in(const char* folder, Each each) {
    DIR* dir = ::opendir(folder);
    if (!dir) return;
    while (const dirent* entry = ::readdir(dir)) {
        char* end = nullptr;
        long n = std::strtol(entry->d_name, &end, 10);
        if (n > 0 && *end == 0) each(static_cast<pid_t>(n));
    }
    ::closedir(dir);
}

// False when the kernel has no "children" files (CONFIG_PROC_CHILDREN).
bool append_children(pid_t parent, std::vector<pid_t>& to) {
    bool supported = false;
    char folder[64];
    std::snprintf(folder, sizeof folder, "/proc/%d/task", parent);
    each_number_in(folder, [&](pid_t thread) {
        char path[96];
        std::snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, thread);
        bool found = false;
        append_numbers(read_file(path, found), to);
        supported = supported || found;
    });
    return supported;
}

// Parent of each process, from /proc/PID/stat: "pid (name) state ppid ...", where the name may hold anything.
std::vector<std::pair<pid_t, pid_t>> all_parents() {
    std::vector<std::pair<pid_t, pid_t>> pairs;
    each_number_in("/proc", [&](pid_t pid) {
        char path[64];
        std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
        bool found = false;
        std::string text = read_file(path, found);
        auto close = text.rfind(')');
        if (close == std::string::npos || close + 4 >= text.size()) return;
        pairs.emplace_back(pid, static_cast<pid_t>(std::atol(text.c_str() + close + 4)));
    });
    return pairs;
}

std::vector<pid_t> descendants() {
    std::vector<pid_t> found;
    if (append_children(::getpid(), found)) {
        for (std::size_t i = 0; i < found.size(); ++i) append_children(found[i], found);
    } else {
        auto parents = all_parents();
        std::vector<pid_t> frontier{::getpid()};
        while (!frontier.empty()) {
            pid_t parent = frontier.back();
            frontier.pop_back();
            for (const auto& [pid, its_parent] : parents)
                if (its_parent == parent) {
                    found.push_back(pid);
                    frontier.push_back(pid);
                }
        }
    }
    return found;
}

}  // namespace

std::size_t signal_descendants(int signal) {
    auto found = descendants();
    std::vector<pid_t> groups;
    for (pid_t pid : found) {
        pid_t group = ::getpgid(pid);
        // Sessions are made by the shim's children and what they start, so a foreign process is in none of these groups.
        if (group > 0 && group != ::getpgrp()) groups.push_back(group);
    }
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    for (pid_t group : groups) ::kill(-group, signal);
    // A process between fork and setsid is still in the shim's own group.
    for (pid_t pid : found)
        if (::getpgid(pid) == ::getpgrp()) ::kill(pid, signal);
    return found.size();
}

}  // namespace sigrun::shim
