// The live machine's answers.
#include "storage_probe.hpp"

#include <sys/quota.h>
#include <sys/statvfs.h>

#if !defined(SYS_quotactl_fd)
#define SYS_quotactl_fd 443  // the same on every architecture
#endif

namespace sigrun::storage {
namespace {

answer<std::uint64_t> quota_of(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return {errno, 0};
    dqblk quota{};
    const auto rc = ::syscall(SYS_quotactl_fd, fd, QCMD(Q_GETQUOTA, USRQUOTA), ::geteuid(), &quota);
    const int error = rc == 0 ? 0 : errno;
    ::close(fd);
    if (error != 0) return {error, 0};
    const auto blocks = quota.dqb_bhardlimit ? quota.dqb_bhardlimit : quota.dqb_bsoftlimit;
    return {0, sdk::times(blocks, 1024).value_or(0)};
}

}  // namespace

answer<space> space_at(const char* path) noexcept {
    struct statvfs info {};
    if (::statvfs(path, &info) != 0) return {errno, {}};
    const std::uint64_t unit = info.f_frsize;
    return {0,
            {sdk::times(info.f_blocks, unit).value_or(0), sdk::times(info.f_bavail, unit).value_or(0), info.f_files,
             info.f_favail}};
}

machine_calls live_calls() {
    return {[](const std::string& path) { return space_at(path.c_str()); }, quota_of};
}

}  // namespace sigrun::storage
