#include "kernel/guard/private_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sigrun {

owned_fd& owned_fd::operator=(owned_fd&& o) noexcept {
    if (this != &o) {
        if (fd_ >= 0) ::close(fd_);
        fd_ = o.release();
    }
    return *this;
}
owned_fd::~owned_fd() {
    if (fd_ >= 0) ::close(fd_);
}
int owned_fd::release() noexcept { return std::exchange(fd_, -1); }

problem system_problem(const std::string& what, const std::string& path) {
    const int error = errno;
    return make_problem(error == ENOENT ? errc::not_found : errc::io,
                        what + " '" + path + "': " + std::strerror(error));
}

result<std::string> read_all(int fd, const std::string& path, std::size_t limit) {
    std::string bytes;
    struct stat info {};
    if (::fstat(fd, &info) == 0 && info.st_size > 0)
        bytes.reserve(std::min(static_cast<std::size_t>(info.st_size), limit));
    std::string chunk(256 * 1024, '\0');
    for (;;) {
        ssize_t n = ::read(fd, chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_problem("cannot read", path);
        if (n == 0) return bytes;
        bytes.append(chunk, 0, static_cast<std::size_t>(n));
        if (bytes.size() > limit) return bad_value("file", "at most " + std::to_string(limit) + " bytes", "more");
    }
}

result<std::string> read_file(const std::string& path, std::size_t limit) {
    owned_fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!file) return system_problem("cannot open", path);
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return system_problem("cannot read", path);
    if (!S_ISREG(info.st_mode)) return bad_value("file", "a regular file", path);
    return read_all(file.get(), path, limit);
}

namespace {

void sync_folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    owned_fd folder(
        ::open(slash == path.npos ? "." : path.substr(0, slash + 1).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) ::fsync(folder.get());
}

}  // namespace

result<void> write_new_file(const std::string& path, std::string_view bytes, unsigned mode) {
    owned_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!file && errno == EEXIST)
        return problem{errc::conflict, "a file is never written over", "file", "a name that is not taken", path};
    if (!file) return system_problem("cannot write", path);
    auto failed = [&path] {
        auto p = system_problem("cannot write", path);
        ::unlink(path.c_str());
        return p;
    };
    while (!bytes.empty()) {
        const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed();
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::fsync(file.get()) != 0) return failed();
    sync_folder_of(path);
    return {};
}

result<void> write_whole_file(const std::string& path, std::string_view bytes, unsigned mode) {
    const std::string beside = path + ".new";
    ::unlink(beside.c_str());  // of a writer that was killed
    SIGRUN_CHECK_OK(write_new_file(beside, bytes, mode));
    if (::rename(beside.c_str(), path.c_str()) != 0) {
        auto p = system_problem("cannot put in place", beside);
        ::unlink(beside.c_str());
        return p;
    }
    sync_folder_of(path);
    return {};
}

}  // namespace sigrun
