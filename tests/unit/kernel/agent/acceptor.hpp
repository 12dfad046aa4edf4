// Accepts TCP connections on loopback and hands them to the valkyrie plugin of a host, as the listener does.
#pragma once

#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/cpp/text.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

namespace sigrun::agent_test {

class acceptor {
public:
    /// Port 0: any.
    explicit acceptor(plugin_host& host, std::uint16_t port = 0) : host_(host) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int one = 1;
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_port = htons(port);
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(fd_, 64) != 0)
            throw std::runtime_error("cannot listen on loopback");
        socklen_t size = sizeof at;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
        port_ = ntohs(at.sin_port);
        thread_ = std::thread([this] { run(); });
    }
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;
    ~acceptor() {
        stopping_ = true;
        ::shutdown(fd_, SHUT_RDWR);
        thread_.join();
        ::close(fd_);
    }
    std::uint16_t port() const { return port_; }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

private:
    void run() {
        while (!stopping_) {
            pollfd watched{fd_, POLLIN, 0};
            ::poll(&watched, 1, 100);
            if (stopping_) return;
            if (!(watched.revents & POLLIN)) continue;
            int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0) hand_over(fd);
        }
    }
    void hand_over(int fd) {
        auto protocol = host_.find(SIGRUN_KIND_PROTOCOL, "valkyrie");
        const auto* table = protocol->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
        static std::atomic<std::uint64_t> next{1};
        sigrun_accept accepted{};
        accepted.struct_size = sizeof accepted;
        accepted.fd = fd;
        accepted.session = next++;
        accepted.peer = sdk::str("127.0.0.1:1");
        accepted.local = sdk::str("127.0.0.1:2");
        bool taken = true;
        host_.call_async(
            *protocol,
            [&](sigrun_op op) {
                auto r = table->serve->on_accept(protocol->abi(), &accepted, op);
                taken = r >= 0;
                return r;
            },
            [](result<buffer_ref>) {});
        if (!taken) ::close(fd);
    }

    plugin_host& host_;
    int fd_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace sigrun::agent_test
