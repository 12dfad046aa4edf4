// A network with a resolver of the test's own, listening sockets, and dials that are waited for.
#pragma once

#include "kernel/net/network.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <future>
#include <mutex>

namespace sigrun::net_test {

using namespace std::chrono_literals;

/// A TCP socket of this machine that listens; its backlog takes connections whether or not they are accepted.
struct ear {
    explicit ear(int family = AF_INET, int backlog = 16) {
        fd.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        net_address local;
        local.host = family == AF_INET6 ? "::1" : "127.0.0.1";
        auto a = numeric_address(local);
        if (::bind(fd.get(), a.get(), a.size) != 0 || ::listen(fd.get(), backlog) != 0) {
            fd.reset();
            return;
        }
        a.size = sizeof a.storage;
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&a.storage), &a.size);
        port = ntohs(family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(a.storage).sin6_port
                                        : reinterpret_cast<sockaddr_in&>(a.storage).sin_port);
    }
    unique_fd accept() const { return unique_fd(::accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
    std::string at(const std::string& host = "127.0.0.1") const { return host + ":" + std::to_string(port); }

    unique_fd fd;
    std::uint16_t port = 0;
};

/// A port nobody listens on: bound, so that nobody else takes it.
struct dead_port : ear {
    dead_port() : ear(AF_INET, 0) {
        const int again = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        fd.reset(again);
        net_address local;
        local.host = "127.0.0.1";
        auto a = numeric_address(local);
        ::bind(fd.get(), a.get(), a.size);
        a.size = sizeof a.storage;
        ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&a.storage), &a.size);
        port = ntohs(reinterpret_cast<sockaddr_in&>(a.storage).sin_port);
    }
};

inline socket_address numeric(const std::string& host) {
    net_address a;
    a.host = host;
    return numeric_address(a);
}

inline std::future<result<dialled>> dial(network& net, dial_request to) {
    auto promised = std::make_shared<std::promise<result<dialled>>>();
    auto begun = net.dial(std::move(to), [promised](result<dialled> got) { promised->set_value(std::move(got)); });
    if (!begun) promised->set_value(begun.error());
    return promised->get_future();
}
inline dial_request target(std::string address, std::chrono::milliseconds time = 10s) {
    dial_request to;
    to.address = std::move(address);
    to.deadline = std::chrono::steady_clock::now() + time;
    return to;
}
inline result<dialled> dial_now(network& net, dial_request to) { return dial(net, std::move(to)).get(); }

/// Lookups that hang until they are let go.
struct hanging_resolver {
    ~hanging_resolver() { release(); }
    void release() {
        std::lock_guard lock(shared->mutex);
        shared->released = true;
        shared->changed.notify_all();
    }
    std::vector<std::string> wait_begun(std::size_t n) {
        std::unique_lock lock(shared->mutex);
        EXPECT_TRUE(shared->changed.wait_for(lock, 10s, [&] { return shared->begun.size() >= n; }));
        return shared->begun;
    }
    name_lookup::resolver hook() {
        return [s = shared](const std::string& name) -> result<name_lookup::addresses> {
            std::unique_lock lock(s->mutex);
            s->begun.push_back(name);
            s->changed.notify_all();
            if (name.starts_with("live")) return name_lookup::addresses{numeric("127.0.0.1")};
            s->changed.wait(lock, [&] { return s->released; });
            return make_problem(errc::not_found, "no such name");
        };
    }

    struct state {
        std::mutex mutex;
        std::condition_variable changed;
        bool released = false;
        std::vector<std::string> begun;
    };
    std::shared_ptr<state> shared = std::make_shared<state>();
};

}  // namespace sigrun::net_test
