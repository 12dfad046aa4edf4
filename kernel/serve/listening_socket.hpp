// One bound, listening socket: TCP over IPv4 or IPv6, or a UNIX socket file. Owns the descriptor and the
// file.
#pragma once

#include "kernel/base/result.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sigrun {

class listening_socket {
public:
    /// Binds and listens on every address the text stands for ("localhost:0" may be two), or on none. The
    /// problem names the address and what to do.
    static result<std::vector<listening_socket>> open(const std::string& address);

    listening_socket(listening_socket&& o) noexcept;
    listening_socket& operator=(listening_socket&& o) noexcept;
    ~listening_socket();

    int fd() const noexcept { return fd_; }
    bool is_unix() const noexcept { return !path_.empty(); }
    const std::string& bound() const noexcept { return bound_; }

private:
    listening_socket() = default;
    static result<listening_socket> open_unix(const std::string& path);
    friend result<listening_socket> open_tcp(const void* found, const std::string& address);

    int fd_ = -1;
    std::string bound_;
    std::string path_;  // of the socket file, removed at the end if it is still this one
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

/// "127.0.0.1:7070", "[::1]:7070" or "unix" for a sockaddr.
std::string address_text(const void* sockaddr);

}  // namespace sigrun
