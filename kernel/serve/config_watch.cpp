#include "kernel/serve/config_watch.hpp"

#include "kernel/log/loggers.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <vector>

namespace sigrun {
namespace {

namespace fs = std::filesystem;
using clock_type = std::chrono::steady_clock;

constexpr std::chrono::milliseconds k_quiet{300};
constexpr std::chrono::seconds k_longest_wait{2};  // a folder in which something always happens
constexpr std::chrono::seconds k_look{30};
constexpr std::uint32_t k_events = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                   IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;

std::string signature_of(const std::string& path) {
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0) return path + " -\n";
    return path + " " + std::to_string(s.st_dev) + " " + std::to_string(s.st_ino) + " " + std::to_string(s.st_size) +
           " " + std::to_string(s.st_mtim.tv_sec) + "." + std::to_string(s.st_mtim.tv_nsec) + "\n";
}

std::string folder_of(const std::string& file) {
    auto folder = fs::path(file).parent_path().string();
    return folder.empty() ? "." : folder;
}

}  // namespace

config_watch::config_watch(std::string file, std::string drop_in_dir, std::function<void()> changed)
    : file_(std::move(file)), drop_in_dir_(std::move(drop_in_dir)), changed_(std::move(changed)) {
    events_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    end_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (events_ < 0 || end_ < 0)
        SIGRUN_LOG(logs::config, warning, "changes of ", file_,
                   " are found late, or not at all: ", std::string_view(std::strerror(errno)));
    watch_folders();
    seen_ = signature();
    if (end_ >= 0) thread_ = std::thread([this] { run(); });
}

config_watch::~config_watch() {
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        while (::write(end_, &one, sizeof one) < 0 && errno == EINTR) {
        }
        thread_.join();
    }
    if (events_ >= 0) ::close(events_);
    if (end_ >= 0) ::close(end_);
}

// Again each time: a folder that was removed and made anew is another one. Watching what is watched changes nothing.
void config_watch::watch_folders() {
    if (events_ < 0) return;
    ::inotify_add_watch(events_, folder_of(file_).c_str(), k_events);
    if (!drop_in_dir_.empty()) ::inotify_add_watch(events_, drop_in_dir_.c_str(), k_events | IN_ONLYDIR);
}

std::string config_watch::signature() const {
    std::string out = signature_of(file_);
    std::vector<std::string> names;
    std::error_code ec;
    if (!drop_in_dir_.empty())
        for (fs::directory_iterator it(drop_in_dir_, ec), end; !ec && it != end; it.increment(ec)) {
            const fs::path& path = it->path();
            if (path.extension() == ".ini" && path.filename().string().front() != '.') names.push_back(path.string());
        }
    std::sort(names.begin(), names.end());
    for (const auto& name : names) out += signature_of(name);
    return out;
}

bool config_watch::drain_events() {
    char room[8192];
    bool any = false;
    while (events_ >= 0 && ::read(events_, room, sizeof room) > 0) any = true;
    return any;
}

void config_watch::run() {
    ::pthread_setname_np(::pthread_self(), "sigrun-cfgwatch");
    pollfd wait[2] = {{end_, POLLIN, 0}, {events_, POLLIN, 0}};
    bool dirty = false;
    clock_type::time_point first{};
    for (;;) {
        const auto timeout = dirty ? k_quiet : std::chrono::duration_cast<std::chrono::milliseconds>(k_look);
        const int n = ::poll(wait, 2, static_cast<int>(timeout.count()));
        if (n < 0 && errno != EINTR) return;
        if (wait[0].revents) return;
        if (n > 0 && drain_events()) {
            if (!dirty) first = clock_type::now();
            dirty = true;
            if (clock_type::now() - first < k_longest_wait) continue;
        }
        dirty = false;
        watch_folders();
        if (auto now = signature(); now != seen_) {
            seen_ = std::move(now);
            changed_();
        }
    }
}

}  // namespace sigrun
