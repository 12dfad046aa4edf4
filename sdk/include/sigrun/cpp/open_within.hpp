// sigrun/cpp/open_within.hpp: opens what lies below a folder, wherever symbolic links lead (openat2(2)). Header-only.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace sigrun::sdk {

/// A descriptor, or -1 and errno; ENOSYS or EPERM where the kernel or a seccomp filter does not know the call. `resolve`: RESOLVE_*.
/// Asked again as long as the kernel cannot tell whether a ".." led out, because something was renamed or mounted anywhere in the
/// system meanwhile (EAGAIN); a thousand times at most, each some microseconds.
inline int open_within(int folder, const char* path, int flags, std::uint64_t resolve) noexcept {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags);
    how.resolve = resolve;
    long fd = -1;
    for (int tries = 0; tries < 1000; ++tries) {
        fd = ::syscall(SYS_openat2, folder, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) break;
    }
    return static_cast<int>(fd);
}

}  // namespace sigrun::sdk
