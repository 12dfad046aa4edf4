// What this program tells the service manager that started it (systemd): datagrams to the socket that NOTIFY_SOCKET names, as
// sd_notify(3) describes them. Without one everything here does nothing.
#pragma once

#include "kernel/base/clock.hpp"

#include <string>
#include <string_view>

namespace sigrun {

/// [any] Never blocks: a manager that does not read misses a message.
class service_manager {
public:
    service_manager() = default;
    /// `socket`: a path, or a name in the abstract space behind "@". `watchdog` 0: it does not wait for pings.
    explicit service_manager(std::string socket, nanoseconds watchdog = nanoseconds(0))
        : socket_(std::move(socket)), watchdog_(watchdog) {}
    /// NOTIFY_SOCKET, and WATCHDOG_USEC if it is for this process. Removes them: they are not for programs started from here.
    /// Before there is a second thread.
    static service_manager from_environment();

    bool present() const noexcept { return !socket_.empty(); }
    /// Within this time a ping has to come; 0: none is waited for.
    nanoseconds watchdog() const noexcept { return watchdog_; }

    /// An empty status leaves the one before.
    bool ready(std::string_view status) const;
    /// Then ready again.
    bool reloading() const;
    bool stopping(std::string_view status) const;
    /// One line for people.
    bool status(std::string_view text) const;
    bool ping() const;

private:
    bool send(const std::string& message) const noexcept;

    std::string socket_;
    nanoseconds watchdog_{0};
};

}  // namespace sigrun
