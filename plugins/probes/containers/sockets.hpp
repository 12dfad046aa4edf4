// Sockets below a sysroot: whether one is there, and who listens.
#pragma once

#include <sigrun/cpp/sysroot.hpp>

#include <optional>
#include <string>

namespace sigrun::containers {

struct socket_contact {
    int fd = -1;  // connected, non-blocking, for the caller to close; -1: see error
    int error = 0;
    bool there = false;  // a socket lies at the path
    std::pair<dev_t, ino_t> identity{};
    std::optional<uid_t> peer;  // user that listens
};
/// Never blocks: an engine whose queue of callers is full answers EAGAIN.
socket_contact contact(const sdk::sysroot& root, const std::string& path);

}  // namespace sigrun::containers
