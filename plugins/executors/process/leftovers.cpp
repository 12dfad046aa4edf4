#include "leftovers.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

namespace sigrun::process {
namespace {

constexpr std::size_t k_environment_limit = std::size_t{8} << 20;

bool carries(const char* pid, const std::string& variable) {
    auto path = std::string("/proc/") + pid + "/environ";
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    std::string text(1, '\0');
    char room[8192];
    while (text.size() < k_environment_limit) {
        ssize_t n = ::read(fd, room, sizeof room);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        text.append(room, static_cast<std::size_t>(n));
    }
    ::close(fd);
    return text.find(variable) != std::string::npos;
}

std::size_t kill_once(const std::string& variable) {
    DIR* dir = ::opendir("/proc");
    if (!dir) return 0;
    std::size_t found = 0;
    while (const dirent* entry = ::readdir(dir)) {
        char* end = nullptr;
        long pid = std::strtol(entry->d_name, &end, 10);
        if (pid <= 1 || *end != 0 || pid == ::getpid()) continue;
        if (!carries(entry->d_name, variable)) continue;
        ++found;
        ::kill(static_cast<pid_t>(pid), SIGKILL);
    }
    ::closedir(dir);
    return found;
}

}  // namespace

std::size_t kill_leftovers(const std::string& token) {
    if (token.empty()) return 0;
    // Between zero bytes, so that one token is never the beginning of another.
    std::string variable("\0SIGRUN_FENCING_TOKEN=", 22);
    variable += token;
    variable.push_back('\0');
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    for (;;) {
        std::size_t found = kill_once(variable);
        if (found == 0 || std::chrono::steady_clock::now() >= until) return found;
        ::poll(nullptr, 0, 5);
    }
}

}  // namespace sigrun::process
