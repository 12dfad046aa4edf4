// Small files that must be whole or absent, and files that only trusted people may have written.
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>

namespace sigrun {

/// An open descriptor.
class owned_fd {
public:
    explicit owned_fd(int fd = -1) noexcept : fd_(fd) {}
    owned_fd(owned_fd&& o) noexcept : fd_(o.release()) {}
    owned_fd& operator=(owned_fd&& o) noexcept;
    ~owned_fd();
    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept;

private:
    int fd_;
};

/// "cannot open '/a/b': No such file or directory", from errno.
problem system_problem(const std::string& what, const std::string& path);

/// Everything from an open descriptor, at most `limit` bytes.
result<std::string> read_all(int fd, const std::string& path, std::size_t limit);
/// A regular file, no symbolic link, at most `limit` bytes. errc::not_found if there is none.
result<std::string> read_file(const std::string& path, std::size_t limit);
/// The file has these bytes, on disk, or is as it was: written beside, synced, renamed.
result<void> write_whole_file(const std::string& path, std::string_view bytes, unsigned mode);
/// A new file with these bytes, on disk. errc::conflict if there is anything of this name, be it a link to nowhere.
result<void> write_new_file(const std::string& path, std::string_view bytes, unsigned mode);

}  // namespace sigrun
