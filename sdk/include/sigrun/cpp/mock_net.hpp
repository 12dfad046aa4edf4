// sigrun/cpp/mock_net.hpp: the dialling behind "sigrun.host.net/1" of mock_host: real connections to numeric addresses and UNIX
// sockets, each on a thread of its own. No names, proxies or TLS. Tests only; thread-safe. The destructor cancels and joins.
#pragma once

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>
#include <sigrun/net.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace sigrun::sdk::mock {

class dialler {
public:
    dialler() = default;
    dialler(const dialler&) = delete;
    dialler& operator=(const dialler&) = delete;
    ~dialler() {
        for (auto& [id, one] : dials_) {
            give_up(one.wake);
            one.thread.join();
            ::close(one.wake);
        }
    }

    sigrun_result dial(const sigrun_net_target& target, sigrun_dialled done, void* ctx, std::uint64_t* id,
                       sigrun_error* error) {
        auto where = parse(sdk::view(target.address));
        if (!where)
            return report(error, SIGRUN_E_INVALID,
                          concat("address: expected a numeric HOST:PORT or unix:/PATH, found \"",
                                 sdk::view(target.address), "\""));
        if (target.flags & SIGRUN_NET_TLS) return report(error, SIGRUN_E_UNSUPPORTED, "the mock host has no TLS");
        std::lock_guard lock(mutex_);
        auto& one = dials_[++last_];
        one.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (id) *id = last_;
        const auto deadline = target.deadline_ns ? target.deadline_ns : now() + 10'000'000'000ull;
        one.thread =
            std::thread([to = *where, deadline, wake = one.wake, done, ctx] { run(to, deadline, wake, done, ctx); });
        return SIGRUN_OK;
    }
    void cancel(std::uint64_t id) {
        std::lock_guard lock(mutex_);
        if (auto at = dials_.find(id); at != dials_.end()) give_up(at->second.wake);
    }

private:
    struct entry {
        int wake = -1;
        std::thread thread;
    };
    struct place {
        sockaddr_storage address{};
        socklen_t size = 0;
        std::string text;
    };

    static void give_up(int wake) {
        const std::uint64_t one = 1;
        [[maybe_unused]] auto n = ::write(wake, &one, sizeof one);
    }
    static std::uint64_t now() {
        timespec t{};
        clock_gettime(CLOCK_MONOTONIC, &t);
        return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000ull + static_cast<std::uint64_t>(t.tv_nsec);
    }

    static std::optional<place> parse(std::string_view text) {
        place made;
        made.text = text;
        if (text.starts_with("unix:")) {
            auto& to = reinterpret_cast<sockaddr_un&>(made.address);
            text.remove_prefix(5);
            if (text.empty() || text.size() >= sizeof to.sun_path) return {};
            to.sun_family = AF_UNIX;
            std::memcpy(to.sun_path, text.data(), text.size());
            made.size = sizeof to;
            made.text = "unix";
            return made;
        }
        auto colon = text.rfind(':');
        if (colon == std::string_view::npos) return {};
        std::uint16_t port = 0;
        auto digits = text.substr(colon + 1);
        auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (bad != std::errc() || end != digits.data() + digits.size() || !port) return {};
        std::string host(text.substr(0, colon));
        if (host.starts_with('[') && host.ends_with(']')) {
            auto& to = reinterpret_cast<sockaddr_in6&>(made.address);
            to.sin6_family = AF_INET6;
            to.sin6_port = htons(port);
            made.size = sizeof to;
            if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &to.sin6_addr) != 1) return {};
            return made;
        }
        if (host == "localhost") host = "127.0.0.1";
        auto& to = reinterpret_cast<sockaddr_in&>(made.address);
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        made.size = sizeof to;
        if (inet_pton(AF_INET, host.c_str(), &to.sin_addr) != 1) return {};
        return made;
    }

    static void run(const place& to, std::uint64_t deadline, int wake, sigrun_dialled done, void* ctx) {
        error_text error;
        auto fail = [&](sigrun_result why, std::string_view text) {
            report(&error.abi, why, text);
            done(ctx, why, nullptr, &error.abi);
        };
        const auto begun = now();
        const int fd = ::socket(to.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) return fail(SIGRUN_E_IO, std::strerror(errno));
        int bad = ::connect(fd, reinterpret_cast<const sockaddr*>(&to.address), to.size) == 0 ? 0 : errno;
        while (bad == EINPROGRESS) {
            const auto at = now();
            if (at >= deadline) return ::close(fd), fail(SIGRUN_E_TIMEOUT, "the deadline passed");
            pollfd fds[] = {{fd, POLLOUT, 0}, {wake, POLLIN, 0}};
            ::poll(fds, 2, static_cast<int>(std::min<std::uint64_t>((deadline - at) / 1'000'000 + 1, 60'000)));
            if (fds[1].revents) return ::close(fd), fail(SIGRUN_E_CANCELLED, "given up");
            if (!fds[0].revents) continue;
            socklen_t size = sizeof bad;
            ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &bad, &size);
        }
        if (bad) return ::close(fd), fail(SIGRUN_E_IO, std::strerror(bad));
        const int on = 1;
        const bool local = to.address.ss_family == AF_UNIX;
        if (!local) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const sigrun_connection opened{
            sizeof opened, fd, local ? std::uint32_t{SIGRUN_NET_UNIX} : 0u, 0, now() - begun, str(""), str(to.text)};
        done(ctx, SIGRUN_OK, &opened, nullptr);
    }

    std::mutex mutex_;
    std::uint64_t last_ = 0;
    std::map<std::uint64_t, entry> dials_;
};

}  // namespace sigrun::sdk::mock
