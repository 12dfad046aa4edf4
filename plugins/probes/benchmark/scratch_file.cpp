#include "scratch_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sigrun::benchmark {

scratch_file::scratch_file(const std::string& folder) {
    fd_ = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);
    if (fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
        // A file system without them: a name for the moment that it takes to remove it again.
        std::string name = folder + "/.sigrun-benchmark-XXXXXX";
        fd_ = ::mkostemp(name.data(), O_CLOEXEC);
        if (fd_ >= 0) ::unlink(name.c_str());
    }
    if (fd_ < 0) error_ = errno;
}

scratch_file::~scratch_file() {
    if (fd_ >= 0) ::close(fd_);
}

bool scratch_file::go_direct(void* block, std::size_t size) {
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || ::fcntl(fd_, F_SETFL, flags | O_DIRECT) != 0) return false;
    // Some take the flag and refuse each write.
    if (::pwrite(fd_, block, size, 0) == static_cast<ssize_t>(size) || errno != EINVAL) return true;
    ::fcntl(fd_, F_SETFL, flags);
    return false;
}

bool scratch_file::syncs() const noexcept {
    struct statfs info {};
    return ::fstatfs(fd_, &info) != 0 || static_cast<unsigned long>(info.f_type) != BTRFS_SUPER_MAGIC;
}

std::string existing_folder(std::string path) {
    struct stat info {};
    errno = 0;
    while (path.size() > 1 && (::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))) {
        if (errno == EACCES) return path;  // it may be there: the answer is "denied", not another folder
        path.resize(std::max<std::size_t>(1, path.rfind('/')));
    }
    return path;
}

std::string error_text(int error) {
    char room[128] = {};
    return strerror_r(error, room, sizeof room);
}

}  // namespace sigrun::benchmark
