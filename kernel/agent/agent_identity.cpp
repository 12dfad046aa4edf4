#include "kernel/agent/agent_identity.hpp"

#include "kernel/base/id.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

namespace sigrun {
namespace {

constexpr std::size_t k_key_bytes = 32;
constexpr std::size_t k_min_key = 16;
constexpr std::size_t k_max_key = 128;
constexpr auto k_lock_patience = std::chrono::seconds(3);

problem os_problem(const std::string& what, int error) { return {errc::io, what + ": " + std::strerror(error)}; }

result<void> make_state_dir(const std::string& dir) {
    std::error_code ec;
    bool made = std::filesystem::create_directories(dir, ec);
    if (ec) return problem{errc::io, "state directory " + dir + " cannot be made: " + ec.message(), "state_dir"};
    if (made) ::chmod(dir.c_str(), 0700);
    return {};
}

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// Written beside and linked into place, so that a crash or a second process never leaves half a key.
result<std::string> make_key(const std::string& path) {
    std::string key = random_secret(k_key_bytes);
    std::string fresh = path + "." + std::to_string(::getpid());
    int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return os_problem("cannot write " + fresh, errno);
    std::string line = key + "\n";
    bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(fd) == 0;
    int error = errno;
    ::close(fd);
    if (written && ::rename(fresh.c_str(), path.c_str()) == 0) return key;
    if (written) error = errno;
    ::unlink(fresh.c_str());
    return os_problem("cannot write " + path, error);
}

}  // namespace

result<agent_identity> load_identity(const std::string& name, const std::string& state_dir) {
    SIGRUN_CHECK_OK(make_state_dir(state_dir));
    agent_identity me;
    me.name = name;
    me.boot_id = first_line("/proc/sys/kernel/random/boot_id");
    std::string path = state_dir + "/key";
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) {
        if (errno != ENOENT) return os_problem("cannot read " + path, errno);
        SIGRUN_TRY(key, make_key(path));
        me.key = key;
        return me;
    }
    if (about.st_mode & 077)
        return problem{errc::forbidden, "the key can be read by others; chmod 600 " + path, "state_dir"};
    me.key = first_line(path);
    if (me.key.size() < k_min_key || me.key.size() > k_max_key)
        return bad_value(path, "a key of 16 to 128 characters", std::to_string(me.key.size()) + " characters");
    return me;
}

result<state_lock> state_lock::take(const std::string& state_dir) {
    SIGRUN_CHECK_OK(make_state_dir(state_dir));
    std::string path = state_dir + "/lock";
    int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return os_problem("cannot open " + path, errno);
    // A runner that was killed leaves children that die a moment after it and have the lock until then.
    const auto until = std::chrono::steady_clock::now() + k_lock_patience;
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (std::chrono::steady_clock::now() >= until) {
            ::close(fd);
            return problem{errc::conflict, "another runner uses " + state_dir + "; give each its own --state-dir",
                           "state_dir"};
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return state_lock(fd);
}

state_lock::state_lock(state_lock&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
state_lock::~state_lock() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace sigrun
