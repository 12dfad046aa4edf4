#include "group_pool.hpp"

#include <sigrun/cpp/cgroup.hpp>
#include <sigrun/cpp/text.hpp>

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>

namespace sigrun::process {
namespace {

constexpr std::string_view k_prefix = "sigrun-jobs-";
constexpr std::size_t k_most_free = 256;
constexpr unsigned k_most_pools = 4096;

// Where this process is in the v2 hierarchy, as a folder; empty where there is none.
std::string own_folder() {
    sdk::sysroot machine;
    std::string path;
    for (const auto& line : sdk::parse_proc_cgroup(machine.read("/proc/self/cgroup").text))
        if (line.hierarchy == 0 && line.controllers.empty()) path = line.path;
    if (path.empty()) return {};
    for (const auto& m : sdk::parse_mountinfo(machine.read("/proc/self/mountinfo").text)) {
        if (m.type != "cgroup2") continue;
        // A mount may show only a part of the tree, of which the path is told from the root of the name space.
        if (m.root != "/" && path.starts_with(m.root)) path.erase(0, m.root.size());
        return m.mount_point + (path == "/" ? "" : path);
    }
    return {};
}

bool says(const descriptor& folder, const char* file, const char* word) {
    descriptor f(::openat(folder.get(), file, O_RDONLY | O_CLOEXEC));
    if (!f) return false;
    char text[128] = {};
    return ::read(f.get(), text, sizeof text - 1) > 0 && std::strstr(text, word);
}

bool populated(const job_cgroup& which) { return says(which.folder, "cgroup.events", "populated 1"); }

// Whether a process can be born in a cgroup below here, and lives. It can be refused, and it can be killed at birth where the
// cgroup of this process was killed as a whole at some time (see give_back). Returns what is wrong.
std::string trial(const std::string& root) {
    auto path = root + "/trial";
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return sdk::concat("cannot make ", path);
    descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    clone_args how{};
    how.flags = CLONE_INTO_CGROUP;
    how.exit_signal = SIGCHLD;
    how.cgroup = static_cast<std::uint64_t>(folder.get());
    auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &how, sizeof how));
    if (pid == 0) ::_exit(0);
    int error = errno, status = 0;
    bool waited = pid > 0 && ::waitpid(pid, &status, 0) == pid;
    ::rmdir(path.c_str());
    if (pid < 0) return sdk::concat("no process can be started in ", root, ": ", std::strerror(error));
    return waited && WIFSIGNALED(status) ? "the kernel kills what is born in a new cgroup below this one" : "";
}

descriptor open_folder(const std::string& path) {
    return descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

group_pool::group_pool(bool wanted) {
    if (!wanted) {
        why_not_ = "switched off";
        return;
    }
    auto below = own_folder();
    if (below.empty()) {
        why_not_ = "no cgroup v2 hierarchy";
        return;
    }
    // There may be other pools in this process: of another executor, or of the version that this one replaces.
    std::string root;
    int made = -1;
    for (unsigned number = 0; made != 0 && number < k_most_pools; ++number) {
        root = sdk::concat(below, "/", k_prefix, ::getpid(), "-", number);
        made = ::mkdir(root.c_str(), 0755);
        if (made != 0 && errno != EEXIST) break;
    }
    if (made != 0) {
        why_not_ = sdk::concat("cannot make ", root, ": ", std::strerror(errno));
        return;
    }
    if (::access((root + "/cgroup.kill").c_str(), W_OK) != 0) {
        why_not_ = "this kernel cannot kill a cgroup as a whole";
        ::rmdir(root.c_str());
        return;
    }
    if (why_not_ = trial(root); !why_not_.empty()) {
        ::rmdir(root.c_str());
        return;
    }
    root_ = std::move(root);
    remove_abandoned(below);
}

group_pool::~group_pool() {
    if (root_.empty()) return;
    for (const auto& g : free_) remove_group(*g);
    ::rmdir(root_.c_str());  // stays while something could not be killed, or goes on without us
}

// Of executors that were killed. What is in use cannot be removed, so nothing has to be asked.
void group_pool::remove_abandoned(const std::string& below) const {
    namespace fs = std::filesystem;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(below, ec)) {
        auto name = entry.path().filename().string();
        if (!name.starts_with(k_prefix)) continue;
        pid_t pid = 0;
        std::from_chars(name.data() + k_prefix.size(), name.data() + name.size(), pid);
        if (pid <= 0 || pid == ::getpid() || ::kill(pid, 0) == 0 || errno != ESRCH) continue;
        std::error_code ignored;
        for (const auto& one : fs::directory_iterator(entry.path(), ignored))
            if (one.is_directory(ignored)) ::rmdir(one.path().c_str());
        ::rmdir(entry.path().c_str());
    }
}

std::unique_ptr<job_cgroup> group_pool::take() {
    if (root_.empty()) return nullptr;
    std::string path;
    {
        std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            auto one = std::move(free_.back());
            free_.pop_back();
            return one;
        }
        path = sdk::concat(root_, "/place-", made_++);
    }
    if (::mkdir(path.c_str(), 0755) != 0) return nullptr;
    auto folder = open_folder(path);
    if (!folder) return nullptr;
    return std::make_unique<job_cgroup>(job_cgroup{std::move(path), std::move(folder)});
}

void group_pool::give_back(std::unique_ptr<job_cgroup> one, bool killed) {
    if (!one || populated(*one)) return;
    if (root_.empty() || !one->path.starts_with(root_ + "/")) return remove_group(*one);
    std::lock_guard lock(mutex_);
    if (!killed && free_.size() < k_most_free)
        free_.push_back(std::move(one));
    else
        ::rmdir(one->path.c_str());
}

std::unique_ptr<job_cgroup> open_group(const std::string& path) {
    auto folder = open_folder(path);
    if (!folder || ::faccessat(folder.get(), "cgroup.kill", F_OK, 0) != 0) return nullptr;
    return std::make_unique<job_cgroup>(job_cgroup{path, std::move(folder)});
}

bool empty_group(const job_cgroup& which) {
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (populated(which)) {
        if (std::chrono::steady_clock::now() >= until) return false;
        if (descriptor order(::openat(which.folder.get(), "cgroup.kill", O_WRONLY | O_CLOEXEC)); order) [[maybe_unused]]
            ssize_t n = ::write(order.get(), "1", 1);
        ::poll(nullptr, 0, 2);
    }
    return true;
}

void remove_group(const job_cgroup& which) noexcept {
    if (::rmdir(which.path.c_str()) != 0) return;
    // The folder that its executor made for all of its own goes with the last of them.
    ::rmdir(std::filesystem::path(which.path).parent_path().c_str());
}

}  // namespace sigrun::process
