// sigrun/cpp/sysroot.hpp: files of a machine, real or recorded. Header-only.
//
// A probe reads /proc, /sys and /etc only through a sysroot: the live machine, or a recorded tree below a
// folder. Reads are bounded, never block (O_NONBLOCK, regular files only), and keep "not there", "not
// allowed" and "does not apply here" apart. Links inside a tree cannot lead out of it. [any]; one object may
// be used by several threads.
#pragma once

#include <sigrun/cpp/open_within.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun::sdk {

enum class read_status { ok, absent, denied, unsupported, error };

inline read_status status_of_errno(int e) noexcept {
    switch (e) {
        case 0: return read_status::ok;
        case ENOENT:
        case ENOTDIR:
        case ENODEV: return read_status::absent;
        case EACCES:
        case EPERM: return read_status::denied;
        case EOPNOTSUPP:
        case ENOSYS:
        case ENXIO:
        case EINVAL: return read_status::unsupported;
        default: return read_status::error;
    }
}

/// The text without white space and NULs around it.
inline std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view k_space{" \t\r\n\v\f\0", 7};
    const auto first = text.find_first_not_of(k_space);
    return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(k_space) - first + 1);
}

/// What reading one file gave.
struct file_text {
    std::string path;  // as asked for: "/proc/meminfo"
    read_status status = read_status::absent;
    int error = 0;
    std::string text;

    explicit operator bool() const noexcept { return status == read_status::ok; }
    std::string_view trim() const noexcept { return trimmed(text); }
    /// Why there is no text: "Permission denied".
    std::string why() const {
        if (status == read_status::ok) return {};
        char room[128] = {};
        return strerror_r(error, room, sizeof room);
    }
};

class sysroot {
public:
    static constexpr std::size_t k_max_file = 1024 * 1024;
    static constexpr std::size_t k_max_entries = 16'384;

    /// Empty: the live machine. Else the folder that holds the recorded proc, sys and etc; a folder that
    /// cannot be opened reads as a machine without files, with the reason in each result.
    explicit sysroot(std::string_view prefix = {}) : prefix_(prefix), live_(prefix.empty()) {
        const std::string folder = live_ ? "/" : std::string(prefix);
        base_ = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (base_ < 0) base_error_ = errno;
    }
    /// The same; `looked_at` hears every path that is about to be looked at, in any way. For a recorder.
    sysroot(std::string_view prefix, std::function<void(std::string_view path)> looked_at) : sysroot(prefix) {
        looked_at_ = std::move(looked_at);
    }
    sysroot(const sysroot&) = delete;
    sysroot& operator=(const sysroot&) = delete;
    ~sysroot() {
        if (base_ >= 0) ::close(base_);
    }

    /// True: the files are those of the machine this process runs on, so its system calls may complete them.
    bool live() const noexcept { return live_; }
    /// Where a foreign library finds a file. Links below it are the library's to follow, also out of a recorded tree.
    std::string path_of(std::string_view path) const { return prefix_ + std::string(path); }

    /// A whole file of at most `limit` bytes; a larger one is an error (EFBIG).
    file_text read(std::string_view path, std::size_t limit = k_max_file) const {
        return read_bytes(path, limit, true);
    }
    /// The first bytes of a file of any size.
    file_text read_head(std::string_view path, std::size_t limit) const { return read_bytes(path, limit, false); }

    /// Names in a folder, sorted, without dot entries; empty if it cannot be read.
    std::vector<std::string> list(std::string_view path) const {
        std::vector<std::string> names;
        int fd = -1;
        if (open_at(path, O_RDONLY | O_DIRECTORY, fd) != 0) return names;
        DIR* dir = ::fdopendir(fd);
        if (!dir) {
            ::close(fd);
            return names;
        }
        while (names.size() < k_max_entries) {
            const dirent* e = ::readdir(dir);
            if (!e) break;
            if (e->d_name[0] != '.') names.emplace_back(e->d_name);
        }
        ::closedir(dir);
        std::sort(names.begin(), names.end());
        return names;
    }

    /// ok, absent, denied ...: whether the path leads anywhere, of any type.
    read_status probe(std::string_view path) const {
        int fd = -1;
        const int e = open_at(path, O_PATH, fd);
        if (e == 0) ::close(fd);
        return status_of_errno(e);
    }

    /// A descriptor of what the path leads to, of any type and without opening it (O_PATH), for the caller to close; with
    /// /proc/self/fd a socket below a sysroot can be connected to. Or -1 and the errno value.
    int handle(std::string_view path, int& error) const {
        int fd = -1;
        error = open_at(path, O_PATH, fd);
        return error == 0 ? fd : -1;
    }

    /// Type, owner, mode and times of what the path leads to.
    std::optional<struct stat> stat(std::string_view path) const {
        int error = 0;
        const int fd = handle(path, error);
        if (fd < 0) return std::nullopt;
        struct stat info {};
        const bool known = ::fstat(fd, &info) == 0;
        ::close(fd);
        return known ? std::optional(info) : std::nullopt;
    }

    /// The text of a symbolic link.
    file_text link(std::string_view path) const {
        file_text out;
        out.path = path;
        int fd = -1;
        out.error = open_at(path, O_PATH | O_NOFOLLOW, fd);
        if (out.error == 0) {
            char room[4096];
            const auto n = ::readlinkat(fd, "", room, sizeof room);
            if (n < 0)
                out.error = errno;
            else
                out.text.assign(room, static_cast<std::size_t>(n));
            ::close(fd);
        }
        out.status = status_of_errno(out.error);
        return out;
    }

private:
    /// 0 and fd, or an errno value.
    int open_at(std::string_view path, int flags, int& fd) const {
        if (looked_at_) looked_at_(path);
        if (base_ < 0) return base_error_;
        while (!path.empty() && path.front() == '/') path.remove_prefix(1);
        if (path.find('\0') != path.npos) return EINVAL;
        const std::string relative = path.empty() ? std::string(".") : std::string(path);
        flags |= O_CLOEXEC;
        if (!(flags & O_PATH)) flags |= O_NOCTTY;  // openat2 refuses the two together
        if (live_) {
            fd = ::openat(base_, relative.c_str(), flags);
            return fd < 0 ? errno : 0;
        }
        fd = open_within(base_, relative.c_str(), flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
        if (fd >= 0) return 0;
        const int e = errno;
        // Old kernels and old seccomp filters lack openat2; then a link as last component is refused instead.
        if (e != ENOSYS && e != EPERM) return e;
        fd = ::openat(base_, relative.c_str(), flags | O_NOFOLLOW);
        return fd < 0 ? errno : 0;
    }

    file_text read_bytes(std::string_view path, std::size_t limit, bool whole) const {
        file_text out;
        out.path = path;
        int fd = -1;
        out.error = open_at(path, O_RDONLY | O_NONBLOCK, fd);
        if (out.error == 0) {
            out.error = read_all(fd, limit, whole, out.text);
            ::close(fd);
        }
        out.status = status_of_errno(out.error);
        if (out.error != 0) out.text.clear();
        return out;
    }

    static int read_all(int fd, std::size_t limit, bool whole, std::string& text) {
        struct stat info {};
        if (::fstat(fd, &info) != 0) return errno;
        if (!S_ISREG(info.st_mode)) return EINVAL;  // a pipe, device or folder: reading could block or never end
        char room[16 * 1024];
        while (text.size() <= limit) {
            const auto n = ::read(fd, room, std::min(sizeof room, limit + 1 - text.size()));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return errno;
            if (n == 0) return 0;
            text.append(room, static_cast<std::size_t>(n));
            if (!whole && text.size() >= limit) {
                text.resize(limit);
                return 0;
            }
        }
        return EFBIG;
    }

    std::string prefix_;
    std::function<void(std::string_view)> looked_at_;
    bool live_;
    int base_ = -1;
    int base_error_ = 0;
};

}  // namespace sigrun::sdk
