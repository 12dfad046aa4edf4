#include "kernel/plugin/folder_watch.hpp"

#include "kernel/log/loggers.hpp"
#include "kernel/plugin/catalogue.hpp"

#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t k_events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |
                                   IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::int64_t k_second_ns = 1'000'000'000;

bool may_be_plugin(std::string_view name) {
    return !name.empty() && name.front() != '.' && fs::path(name).extension() == ".so";
}

std::int64_t in_ns(const timespec& t) { return static_cast<std::int64_t>(t.tv_sec) * k_second_ns + t.tv_nsec; }

}  // namespace

folder_watch::folder_watch(boost::asio::io_context& io, std::string folder, std::int64_t since_wall_ns, notice tell,
                           watch_times times)
    : folder_(std::move(folder)),
      since_(since_wall_ns),
      tell_(std::move(tell)),
      times_(times),
      events_(io),
      marks_due_(io),
      scan_due_(io) {}

result<void> folder_watch::begin() {
    const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    const int error = errno;
    if (fd >= 0) {
        events_.assign(fd);
        wait_for_events();
    }
    scan();
    if (fd >= 0) return {};
    return make_problem(errc::io, std::string("inotify: ") + std::strerror(error));
}

void folder_watch::end() {
    ended_ = true;
    boost::system::error_code ignored;
    events_.close(ignored);
    marks_due_.cancel();
    scan_due_.cancel();
}

folder_watch::signature folder_watch::look_at(const std::string& path) {
    struct stat s {};
    if (::lstat(path.c_str(), &s) != 0) return {};
    return {s.st_dev, s.st_ino, s.st_size, in_ns(s.st_mtim), s.st_mode, s.st_uid};
}

void folder_watch::wait_for_events() {
    events_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code ec) {
        if (ec || ended_) return;
        read_events();
        wait_for_events();
    });
}

void folder_watch::read_events() {
    alignas(inotify_event) char buffer[64 * 1024];
    for (;;) {
        const ssize_t n = ::read(events_.native_handle(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        for (const char* at = buffer; at < buffer + n;) {
            inotify_event head;
            std::memcpy(&head, at, sizeof head);
            const char* name = at + sizeof head;
            at = name + head.len;
            on_event(head.wd, head.mask, head.len ? std::string_view(name, ::strnlen(name, head.len)) : "");
        }
    }
}

void folder_watch::on_event(int watch, std::uint32_t mask, std::string_view name) {
    if (mask & IN_Q_OVERFLOW) return plan_scan(times_.quiet);
    const auto folder = followed_.find(watch);
    if (folder == followed_.end()) return;
    if (mask & IN_MOVE_SELF) ::inotify_rm_watch(events_.native_handle(), watch);  // it is somewhere else now
    if (mask & (IN_IGNORED | IN_MOVE_SELF)) followed_.erase(folder);
    if (mask & (IN_IGNORED | IN_MOVE_SELF | IN_DELETE_SELF | IN_ISDIR)) return plan_scan(nanoseconds(0));
    if (may_be_plugin(name)) touch(folder->second + "/" + std::string(name), mask & ~IN_ATTRIB);
}

void folder_watch::follow(const std::string& folder) {
    if (!events_.is_open()) return;
    // The same folder gives the same number, so that this may be asked again.
    const int watch = ::inotify_add_watch(events_.native_handle(), folder.c_str(), k_events);
    if (watch >= 0)
        followed_.insert_or_assign(watch, folder);
    else if (errno != ENOENT && errno != ENOTDIR)
        SIGRUN_LOG(logs::plugin, warning, "folder ", folder,
                   " is only looked at from time to time: ", std::string_view(std::strerror(errno)));
}

void folder_watch::scan() {
    // Followed first, then read: what comes in between is seen twice rather than never.
    std::error_code ec;
    follow(folder_);
    for (fs::directory_iterator it(folder_, ec), end; !ec && it != end; it.increment(ec)) {
        std::error_code ignored;
        if (it->path().filename().string().front() != '.' && it->is_directory(ignored)) follow(it->path().string());
    }
    const bool missing = ec == std::errc::no_such_file_or_directory;
    auto files = find_plugin_files(folder_);
    const std::string complaint = files ? "" : files.error().text();
    if (!complaint.empty() && complaint != complaint_) SIGRUN_LOG(logs::plugin, warning, complaint);
    complaint_ = complaint;
    if (files || missing) {
        std::set<std::string> there;
        if (files)
            for (auto& file : *files) there.insert(std::move(file.path));
        for (const auto& path : there) {
            const signature now = look_at(path);
            struct stat s {};
            if (first_ && ::lstat(path.c_str(), &s) == 0 && in_ns(s.st_ctim) < since_)
                known_.insert_or_assign(path, now);
            else if (auto known = known_.find(path); known == known_.end() || known->second != now)
                touch(path, false);
        }
        for (const auto& [path, seen] : known_)
            if (!there.contains(path)) touch(path, false);
    }
    first_ = false;
    plan_scan(missing ? times_.missing : times_.rescan);
}

void folder_watch::plan_scan(nanoseconds after) {
    if (ended_) return;
    scan_due_.expires_after(std::chrono::duration_cast<boost::asio::steady_timer::duration>(after));
    scan_due_.async_wait([this](boost::system::error_code ec) {
        if (!ec && !ended_) scan();
    });
}

void folder_watch::touch(const std::string& path, bool happened) {
    const signature now = look_at(path);
    auto [at, fresh] = marks_.try_emplace(path);
    at->second.happened = at->second.happened || happened;
    if (!fresh && at->second.seen == now) return;  // the time it rests is already running
    at->second.seen = now;
    at->second.due = std::chrono::steady_clock::now() + times_.quiet;
    plan_marks();
}

void folder_watch::plan_marks() {
    if (marks_.empty() || ended_) return;
    const auto first = std::min_element(marks_.begin(), marks_.end(),
                                        [](const auto& a, const auto& b) { return a.second.due < b.second.due; });
    marks_due_.expires_at(first->second.due);
    marks_due_.async_wait([this](boost::system::error_code ec) {
        if (!ec && !ended_) settle_marks();
    });
}

void folder_watch::settle_marks() {
    const auto now = std::chrono::steady_clock::now();
    std::vector<std::string> resting;
    for (auto at = marks_.begin(); at != marks_.end();) {
        if (at->second.due > now) {
            ++at;
            continue;
        }
        if (const signature seen = look_at(at->first); seen != at->second.seen) {
            at->second.seen = seen;
            at->second.due = now + times_.quiet;
            ++at;
            continue;
        }
        // What was never told is news even if it is gone already: others may have found it before.
        const auto known = known_.find(at->first);
        if (at->second.happened || known == known_.end() || known->second != at->second.seen)
            resting.push_back(at->first);
        if (at->second.seen == signature{})
            known_.erase(at->first);
        else
            known_.insert_or_assign(at->first, at->second.seen);
        at = marks_.erase(at);
    }
    plan_marks();
    for (const auto& path : resting) tell_(path);
}

}  // namespace sigrun
