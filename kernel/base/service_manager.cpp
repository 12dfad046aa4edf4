#include "kernel/base/service_manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace sigrun {
namespace {

std::string taken(const char* name) {
    const char* value = std::getenv(name);
    std::string text(value ? value : "");
    ::unsetenv(name);
    return text;
}

std::int64_t number_of(std::string_view text) {
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc() && end == text.data() + text.size() && n > 0 ? n : 0;
}

// A line end would begin another message.
std::string status_line(std::string_view text) {
    std::string line("STATUS=");
    line += text;
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

}  // namespace

service_manager service_manager::from_environment() {
    auto socket = taken("NOTIFY_SOCKET");
    const auto usec = number_of(taken("WATCHDOG_USEC"));
    const auto pid = taken("WATCHDOG_PID");
    if (socket.empty() || (socket[0] != '/' && socket[0] != '@')) return {};
    const bool for_us = pid.empty() || number_of(pid) == ::getpid();
    // Longer than a month is no watchdog, and would not fit in nanoseconds.
    const bool sensible = for_us && usec < std::int64_t{31} * 86400 * 1'000'000;
    return service_manager(std::move(socket), nanoseconds(sensible ? usec * 1000 : 0));
}

bool service_manager::send(const std::string& message) const noexcept {
    sockaddr_un to{};
    if (socket_.empty() || socket_.size() >= sizeof to.sun_path) return false;
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, socket_.data(), socket_.size());
    if (to.sun_path[0] == '@') to.sun_path[0] = 0;
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    const ssize_t sent = ::sendto(fd, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                                  reinterpret_cast<const sockaddr*>(&to), length);
    ::close(fd);
    return sent == static_cast<ssize_t>(message.size());
}

bool service_manager::ready(std::string_view status) const {
    return send(status.empty() ? "READY=1" : "READY=1\n" + status_line(status));
}

bool service_manager::reloading() const {
    // The time is what Type=notify-reload wants.
    const auto now =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch());
    return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count()) + "\nSTATUS=reading its files again");
}

bool service_manager::stopping(std::string_view status) const { return send("STOPPING=1\n" + status_line(status)); }

bool service_manager::status(std::string_view text) const { return send(status_line(text)); }

bool service_manager::ping() const { return send("WATCHDOG=1"); }

}  // namespace sigrun
