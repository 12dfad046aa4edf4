#include "kernel/serve/listener.hpp"

#include "unit/kernel/serve/fake_protocol.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace sigrun;
using namespace sigrun::test;

namespace {

struct folder {
    std::string path;
    folder() {
        char name[] = "/tmp/sigrun-listener-XXXXXX";
        if (!mkdtemp(name)) throw std::runtime_error("mkdtemp failed");
        path = name;
    }
    ~folder() { std::filesystem::remove_all(path); }
};

/// A client's socket.
class client {
public:
    explicit client(const std::string& bound) {
        sockaddr_storage where{};
        socklen_t size = 0;
        if (bound.starts_with("unix:")) {
            auto& un = reinterpret_cast<sockaddr_un&>(where);
            un.sun_family = AF_UNIX;
            bound.copy(un.sun_path, sizeof un.sun_path - 1, 5);
            size = sizeof un;
        } else {
            const auto colon = bound.rfind(':');
            const auto port = htons(static_cast<std::uint16_t>(std::stoi(bound.substr(colon + 1))));
            if (bound[0] == '[') {
                auto& v6 = reinterpret_cast<sockaddr_in6&>(where);
                v6.sin6_family = AF_INET6;
                v6.sin6_addr = in6addr_loopback;
                v6.sin6_port = port;
                size = sizeof v6;
            } else {
                auto& v4 = reinterpret_cast<sockaddr_in&>(where);
                v4.sin_family = AF_INET;
                v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                v4.sin_port = port;
                size = sizeof v4;
            }
        }
        fd = ::socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connected = ::connect(fd, reinterpret_cast<sockaddr*>(&where), size) == 0;
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    client(client&& o) noexcept : fd(std::exchange(o.fd, -1)), connected(o.connected) {}
    ~client() {
        if (fd >= 0) ::close(fd);
    }
    void send(std::string_view text) const {
        ASSERT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
    }
    /// True once the other side closed; false if it did not before the deadline.
    bool is_closed() const {
        pollfd p{fd, POLLIN, 0};
        char c = 0;
        return ::poll(&p, 1, 10'000) == 1 && ::recv(fd, &c, 1, 0) <= 0;
    }
    int fd;
    bool connected;
};

struct listening {
    metrics meters;
    plugin_host host{{}, settings::parse("", "none.ini").value(), meters};
    fake_protocol alpha{"alpha", "ALPHA"}, beta{"beta", "BETA"}, all{"alphabet", "ALPHABET"};
    std::unique_ptr<listener> door = std::make_unique<listener>(host, meters);
    listener_options options{.addresses = {"127.0.0.1:0"}};

    ~listening() {
        door.reset();
        host.shutdown();
    }
    result<void> start() { return door->start(options, {alpha.wrapped(), beta.wrapped(), all.wrapped()}); }
    std::string at(std::size_t i = 0) const { return door->bound().at(i); }
    /// Waits until the metrics show the line, or no longer show it; returns whether they do.
    bool shows(const std::string& line, bool wanted = true) const {
        for (int i = 0; i < 2000; ++i) {
            if ((meters.text().find(line + "\n") != std::string::npos) == wanted) return wanted;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return !wanted;
    }
};

std::string closed_line(const std::string& why, int n) {
    return "sigrun_connections_closed_total{reason=\"" + why + "\"} " + std::to_string(n);
}
std::string read_all(int fd, std::size_t n) {
    std::string text(n, '\0');
    pollfd p{fd, POLLIN, 0};
    ::poll(&p, 1, 10'000);
    auto got = ::recv(fd, text.data(), n, 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

}  // namespace

TEST(listener, hands_a_recognised_connection_over_with_all_bytes_unread) {
    listening f;
    ASSERT_TRUE(f.start());
    client c(f.at());
    c.send("BETA and more");
    auto got = f.beta.wait();
    EXPECT_EQ(read_all(got.fd, 100), "BETA and more");
    EXPECT_EQ(got.flags, 0u);
    EXPECT_EQ(got.local, f.at());
    EXPECT_TRUE(got.peer.starts_with("127.0.0.1:")) << got.peer;
    EXPECT_TRUE(::fcntl(got.fd, F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(::fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
    EXPECT_EQ(f.alpha.count(), 0u);
    EXPECT_TRUE(f.shows("sigrun_connections_accepted_total{protocol=\"beta\"} 1"));
    EXPECT_TRUE(f.shows("sigrun_connections_open{protocol=\"beta\"} 1"));
    f.host.ops().complete(got.lifetime, SIGRUN_OK, nullptr);
    EXPECT_TRUE(f.shows("sigrun_connections_open{protocol=\"beta\"} 0"));
}

TEST(listener, greeting_may_come_byte_by_byte_and_costs_one_question_each) {
    listening f;
    ASSERT_TRUE(f.start());
    client c(f.at());
    const std::string greeting = "BETA";
    for (std::size_t i = 0; i < greeting.size(); ++i) {
        const auto before = f.beta.asked();
        c.send(greeting.substr(i, 1));
        for (int n = 0; n < 5000 && f.beta.asked() == before; ++n)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    f.beta.wait();
    EXPECT_LE(f.beta.asked(), greeting.size()) << "unread bytes must not wake the thread again and again";
    EXPECT_LE(f.alpha.asked(), 1u) << "who said no is not asked again";
}

TEST(listener, order_decides_and_an_earlier_protocol_that_needs_more_is_waited_for) {
    listening f;
    f.options.protocol_order = {"alphabet", "alpha", "unheard-of"};
    ASSERT_TRUE(f.start());
    client longer(f.at());
    longer.send("ALPHA");
    longer.send("BET");
    f.all.wait();
    client other(f.at());
    other.send("ALPHA!");
    f.alpha.wait();
    EXPECT_EQ(f.all.count(), 1u);
}

TEST(listener, at_the_deadline_the_first_that_said_ok_has_it) {
    listening f;
    f.options.protocol_order = {"alphabet"};
    f.options.peek_deadline = std::chrono::milliseconds(50);
    ASSERT_TRUE(f.start());
    client c(f.at());
    c.send("ALPHA");
    f.alpha.wait();
}

TEST(listener, a_peer_that_ends_its_side_needs_no_deadline) {
    listening f;
    f.options.protocol_order = {"alphabet"};
    f.options.peek_deadline = std::chrono::hours(1);
    ASSERT_TRUE(f.start());
    client c(f.at());
    c.send("ALPHA");
    ::shutdown(c.fd, SHUT_WR);
    EXPECT_EQ(read_all(f.alpha.wait().fd, 10), "ALPHA");
    client half(f.at());
    half.send("BE");
    ::shutdown(half.fd, SHUT_WR);
    EXPECT_TRUE(half.is_closed());
    EXPECT_TRUE(f.shows(closed_line("peer_left", 1)));
}

TEST(listener, unknown_bytes_are_closed_and_counted) {
    listening f;
    ASSERT_TRUE(f.start());
    client c(f.at());
    c.send("what is this");
    EXPECT_TRUE(c.is_closed());
    EXPECT_TRUE(f.shows(closed_line("unrecognised", 1)));
}

TEST(listener, silence_and_half_a_greeting_end_at_the_deadline) {
    listening f;
    f.options.peek_deadline = std::chrono::milliseconds(50);
    ASSERT_TRUE(f.start());
    client silent(f.at()), half(f.at());
    half.send("ALP");
    EXPECT_TRUE(silent.is_closed());
    EXPECT_TRUE(half.is_closed());
    EXPECT_TRUE(f.shows(closed_line("timeout", 2)));
}

TEST(listener, peer_that_leaves_is_counted_apart) {
    listening f;
    f.options.peek_deadline = std::chrono::hours(1);
    ASSERT_TRUE(f.start());
    { client c(f.at()); }
    EXPECT_TRUE(f.shows(closed_line("peer_left", 1)));
}

TEST(listener, peek_limit_ends_the_patience) {
    fake_protocol endless("endless", std::string(1000, 'x'));  // outlives the listener
    listening f;
    f.options.peek_limit = 64;
    f.options.peek_deadline = std::chrono::hours(1);
    ASSERT_TRUE(f.door->start(f.options, {endless.wrapped()}));
    client c(f.at());
    c.send(std::string(100, 'x'));
    EXPECT_TRUE(c.is_closed());
    EXPECT_TRUE(f.shows(closed_line("unrecognised", 1)));
}

TEST(listener, flood_of_silent_connections_pushes_out_the_oldest_and_service_goes_on) {
    listening f;
    f.options.max_waiting = 8;
    f.options.peek_deadline = std::chrono::hours(1);
    ASSERT_TRUE(f.start());
    std::vector<client> silent;
    for (int i = 0; i < 50; ++i) silent.emplace_back(f.at());
    for (int i = 0; i < 42; ++i) EXPECT_TRUE(silent[static_cast<std::size_t>(i)].is_closed()) << i;
    EXPECT_TRUE(f.shows(closed_line("flood", 42)));
    EXPECT_TRUE(f.shows("sigrun_connections_waiting 8"));
    client c(f.at());
    c.send("BETA");
    f.beta.wait();
}

TEST(listener, connection_a_plugin_refuses_is_closed) {
    listening f;
    f.beta.refuse_all();
    ASSERT_TRUE(f.start());
    client c(f.at());
    c.send("BETA");
    EXPECT_TRUE(c.is_closed());
    EXPECT_TRUE(f.shows(closed_line("plugin_refused", 1)));
    EXPECT_TRUE(f.shows("sigrun_connections_open{protocol=\"beta\"} 0"));
}

TEST(listener, sessions_are_different_numbers) {
    listening f;
    ASSERT_TRUE(f.start());
    client a(f.at()), b(f.at());
    a.send("BETA");
    b.send("BETA");
    EXPECT_NE(f.beta.wait(0).session, f.beta.wait(1).session);
    EXPECT_NE(listener::next_session(), listener::next_session());
}

TEST(listener, unix_socket_tells_the_user_and_is_private_and_removed) {
    folder dir;
    const auto path = dir.path + "/sigrun.sock";
    listening f;
    f.options.addresses = {"unix:" + path, "127.0.0.1:0"};
    ASSERT_TRUE(f.start());
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    client c(f.at(0));
    c.send("AL");
    c.send("PHA");
    auto got = f.alpha.wait();
    EXPECT_EQ(got.flags, static_cast<std::uint32_t>(SIGRUN_ACCEPT_UNIX));
    EXPECT_EQ(got.uid, ::getuid());
    EXPECT_EQ(got.peer, "unix");
    EXPECT_EQ(got.local, "unix:" + path);
    f.door->stop();
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_FALSE(client("unix:" + path).connected);
}

TEST(listener, stale_socket_file_is_replaced_a_live_one_and_another_file_are_not) {
    folder dir;
    const auto path = dir.path + "/s";
    {
        int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un un{};
        un.sun_family = AF_UNIX;
        path.copy(un.sun_path, sizeof un.sun_path - 1);
        ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&un), sizeof un), 0);
        ::close(fd);
    }
    listening first;
    first.options.addresses = {"unix:" + path};
    ASSERT_TRUE(first.start());
    listening second;
    second.options.addresses = {"unix:" + path};
    auto live = second.start();
    ASSERT_FALSE(live);
    EXPECT_NE(live.error().message.find("in use by another process"), std::string::npos);
    EXPECT_TRUE(client("unix:" + path).connected);

    std::ofstream(dir.path + "/file") << "precious";
    second.options.addresses = {"unix:" + dir.path + "/file"};
    auto file = second.start();
    ASSERT_FALSE(file);
    EXPECT_NE(file.error().message.find("no socket"), std::string::npos);
    EXPECT_EQ(std::filesystem::file_size(dir.path + "/file"), 8u);
}

TEST(listener, socket_file_that_somebody_replaced_is_left) {
    folder dir;
    const auto path = dir.path + "/s";
    listening f;
    f.options.addresses = {"unix:" + path};
    ASSERT_TRUE(f.start());
    std::filesystem::remove(path);
    std::ofstream(path) << "other";
    f.door->stop();
    EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(listener, ipv6_loopback_works) {
    listening f;
    f.options.addresses = {"[::1]:0"};
    auto started = f.start();
    if (!started && started.error().message.find("no interface") != std::string::npos) GTEST_SKIP() << "no IPv6 here";
    ASSERT_TRUE(started) << started.error().text();
    EXPECT_TRUE(f.at().starts_with("[::1]:"));
    client c(f.at());
    c.send("ALPHA");
    EXPECT_TRUE(f.alpha.wait().peer.starts_with("[::1]:"));
}

TEST(listener, busy_port_is_named_with_what_to_do_and_nothing_is_bound) {
    folder dir;
    listening first, second;
    ASSERT_TRUE(first.start());
    second.options.addresses = {"unix:" + dir.path + "/s", first.at()};
    auto r = second.start();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().message, first.at() + " is in use by another process; stop it or set [server] listen");
    EXPECT_TRUE(second.door->bound().empty());
    EXPECT_FALSE(std::filesystem::exists(dir.path + "/s")) << "everything or nothing";
}

TEST(listener, wrong_addresses_are_refused_with_what_was_expected) {
    for (const char* address :
         {"", "7070", "127.0.0.1", ":7070", "127.0.0.1:99999", "127.0.0.1:x", "::1:7070", "[]:1", "unix:"}) {
        listening f;
        f.options.addresses = {address};
        auto r = f.start();
        ASSERT_FALSE(r) << address;
        EXPECT_NE(r.error().text().find("expected"), std::string::npos) << r.error().text();
    }
    listening f;
    f.options.addresses = {"unix:/nonexistent-folder/s"};
    EXPECT_NE(f.start().error().message.find("folder does not exist"), std::string::npos);
    f.options.addresses = {"unix:/tmp/" + std::string(200, 'a')};
    EXPECT_NE(f.start().error().message.find("bytes is expected"), std::string::npos);
    f.options.addresses = {"192.0.2.1:0"};
    EXPECT_NE(f.start().error().message.find("no interface"), std::string::npos);
}

TEST(listener, out_of_descriptors_it_waits_and_goes_on) {
    listening f;
    f.options.peek_deadline = std::chrono::hours(1);
    ASSERT_TRUE(f.start());
    rlimit old{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
    std::vector<client> clients;
    const rlimit tight{64, old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    while (true) {
        clients.emplace_back(f.at());
        if (clients.back().fd < 0) break;
    }
#ifndef __SANITIZE_ADDRESS__  // UBSan needs descriptors of its own to look at the counter's type
    EXPECT_FALSE(f.shows("sigrun_accept_shortages_total 0", false)) << "it noticed";
#endif
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
    client late(f.at());
    late.send("BETA");
    f.beta.wait();
}

TEST(listener, stop_closes_waiting_connections_and_may_be_called_twice) {
    listening f;
    f.options.peek_deadline = std::chrono::hours(1);
    ASSERT_TRUE(f.start());
    client c(f.at());
    EXPECT_TRUE(f.shows("sigrun_connections_waiting 1"));
    f.door->stop();
    EXPECT_TRUE(c.is_closed());
    f.door->stop();
    EXPECT_FALSE(f.start()) << "a listener starts once";
    EXPECT_EQ(f.alpha.wrapped().use_count(), 1) << "the instances are let go";
}
