#include "kernel/guard/folder_check.hpp"

#include <sigrun/cpp/open_within.hpp>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <deque>
#include <filesystem>
#include <fstream>

namespace sigrun {
namespace {

constexpr int k_max_links = 40;  // as the kernel itself

// The uid that stands for all users this user namespace does not know. Nobody in here can act as one of them, and who owns
// the folders above a container cannot be told from inside.
uid_t overflow_uid() {
    static const uid_t value = [] {
        uid_t n = 65534;
        std::ifstream("/proc/sys/kernel/overflowuid") >> n;
        return n;
    }();
    return value;
}

bool is_unknown(const struct stat& info) { return info.st_uid == overflow_uid() && ::geteuid() != overflow_uid(); }

result<void> judge_owner(const struct stat& info, const std::string& path) {
    const auto me = ::geteuid();
    if (info.st_uid == 0 || info.st_uid == me || is_unknown(info)) return {};
    return bad_value("owner of " + path, "root or user " + std::to_string(me), "user " + std::to_string(info.st_uid));
}

result<void> judge_alone(const struct stat& info, const std::string& path) {
    SIGRUN_CHECK_OK(judge_owner(info, path));
    if (!(info.st_mode & (S_IWGRP | S_IWOTH))) return {};
    return bad_value("mode of " + path, "writable by its owner alone",
                     info.st_mode & S_IWOTH ? "writable by everybody (chmod go-w)" : "writable by a group (chmod g-w)");
}

result<void> judge(const struct stat& info, const std::string& path, std::vector<std::string>& warnings) {
    SIGRUN_CHECK_OK(judge_owner(info, path));
    if (S_ISLNK(info.st_mode)) return {};  // a link's mode says nothing
    if (is_unknown(info)) warnings.push_back(path + " belongs to a user that is unknown here");
    if (info.st_mode & S_ISVTX) return {};
    if (info.st_mode & S_IWOTH)
        return bad_value("mode of " + path, "not writable by everybody", "writable by everybody (chmod o-w)");
    if (info.st_mode & S_IWGRP)
        warnings.push_back(path + " can be written to by group " + std::to_string(info.st_gid) +
                           ", which can so exchange plugins");
    return {};
}

void push_parts(std::deque<std::string>& parts, const std::string& path) {
    std::deque<std::string> front;
    for (const auto& part : std::filesystem::path(path).relative_path())
        if (!part.empty() && part != ".") front.push_back(part.string());
    parts.insert(parts.begin(), front.begin(), front.end());
}

}  // namespace

result<checked_folder> checked_folder::open(const std::string& path, writers last) {
    checked_folder out;
    std::error_code ec;
    out.path_ = std::filesystem::absolute(path, ec).string();
    std::deque<std::string> parts;
    push_parts(parts, out.path_);
    std::string at = "/";
    owned_fd here(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!here) return system_problem("cannot open", at);
    struct stat info {};
    for (int links = 0;;) {
        if (::fstat(here.get(), &info) != 0) return system_problem("cannot look at", at);
        SIGRUN_CHECK_OK(judge(info, at, out.warnings_));
        if (parts.empty()) {
            if (last == writers::owner_alone) SIGRUN_CHECK_OK(judge_alone(info, at));
            break;
        }
        const std::string name = parts.front();
        parts.pop_front();
        const std::string next_path = (at == "/" ? "" : at) + "/" + name;
        owned_fd next(::openat(here.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (!next) return system_problem("cannot open", next_path);
        if (::fstat(next.get(), &info) != 0) return system_problem("cannot look at", next_path);
        if (S_ISLNK(info.st_mode)) {
            SIGRUN_CHECK_OK(judge(info, next_path, out.warnings_));
            if (++links > k_max_links) return bad_value("path", "at most 40 symbolic links", out.path_);
            char target[PATH_MAX];
            const ssize_t n = ::readlinkat(next.get(), "", target, sizeof target);
            if (n <= 0 || n >= static_cast<ssize_t>(sizeof target))
                return system_problem("cannot read the link", next_path);
            const std::string to(target, static_cast<std::size_t>(n));
            push_parts(parts, to);
            if (to.front() == '/') {
                at = "/";
                here = owned_fd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
                if (!here) return system_problem("cannot open", at);
            }
            continue;
        }
        if (!S_ISDIR(info.st_mode)) return bad_value("path", "a folder", next_path);
        at = next_path;
        here = std::move(next);
    }
    out.folder_ = std::move(here);
    return out;
}

result<owned_fd> checked_folder::open_file(const std::string& below) const {
    constexpr auto flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
    const std::string path = path_ + "/" + below;
    int fd = sdk::open_within(folder_.get(), below.c_str(), flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    if (fd < 0 && errno == EXDEV)
        return bad_value("file", "one that lies in " + path_, "a symbolic link that leads out of it");
    // A kernel or a filter without openat2: the folders in between are opened one by one, and links are not followed at all.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        const auto slash = below.find('/');
        owned_fd kind(slash == below.npos ? ::dup(folder_.get())
                                          : ::openat(folder_.get(), below.substr(0, slash).c_str(),
                                                     O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!kind) return system_problem("cannot open", path);
        fd = ::openat(kind.get(), below.substr(slash == below.npos ? 0 : slash + 1).c_str(), flags);
    }
    if (fd < 0 && errno == ELOOP) return bad_value("file", "a regular file", "a symbolic link");
    owned_fd file(fd);
    if (!file) return system_problem("cannot open", path);
    // The folders of the kinds, one level below, count as much as the folder itself.
    if (const auto slash = below.find('/'); slash != below.npos) {
        struct stat info {};
        std::vector<std::string> warnings;
        if (::fstatat(folder_.get(), below.substr(0, slash).c_str(), &info, 0) != 0)
            return system_problem("cannot look at", path_ + "/" + below.substr(0, slash));
        SIGRUN_CHECK_OK(judge(info, path_ + "/" + below.substr(0, slash), warnings));
    }
    return file;
}

result<std::string> checked_folder::read_own_file(const std::string& below, std::size_t limit) const {
    SIGRUN_TRY(file, open_file(below));
    const std::string path = path_ + "/" + below;
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return system_problem("cannot look at", path);
    if (!S_ISREG(info.st_mode)) return bad_value("file", "a regular file", path);
    SIGRUN_CHECK_OK(judge_alone(info, path));
    return read_all(file.get(), path, limit);
}

}  // namespace sigrun
