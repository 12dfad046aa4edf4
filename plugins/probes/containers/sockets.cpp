#include "sockets.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdio>

namespace sigrun::containers {

socket_contact contact(const sdk::sysroot& root, const std::string& path) {
    socket_contact out;
    const int handle = root.handle(path, out.error);
    if (handle < 0) return out;
    struct stat info {};
    if (::fstat(handle, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        ::close(handle);
        return out;
    }
    out.there = true;
    out.identity = {info.st_dev, info.st_ino};
    // By its handle: a path of any length, and the very file that was looked at.
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", handle);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        out.error = errno;
        if (fd >= 0) ::close(fd);
    } else {
        out.fd = fd;
        ucred who{};
        socklen_t size = sizeof who;
        if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0) out.peer = who.uid;
    }
    ::close(handle);
    return out;
}

}  // namespace sigrun::containers
