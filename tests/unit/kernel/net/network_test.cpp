// Dialling over real sockets: addresses, names, several addresses of one name, deadlines, giving up, limits, the end.
#include "dial_rig.hpp"
#include "kernel/net/connect_race.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <filesystem>

namespace sigrun::net_test {
namespace {

net_options resolving_to(std::vector<std::string> hosts) {
    net_options o;
    o.resolver = [hosts](const std::string&) -> result<name_lookup::addresses> {
        name_lookup::addresses out;
        for (const auto& each : hosts) out.push_back(numeric(each));
        return out;
    };
    return o;
}

TEST(network, a_numeric_address_is_connected_without_delay_and_without_inheriting_it) {
    ear server;
    network net;
    auto got = dial_now(net, target(server.at()));
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_FALSE(got->local);
    EXPECT_EQ(got->peer, server.at());
    EXPECT_GT(got->connect_time.count(), 0);
    const int fd = got->fd.get();
    EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
    EXPECT_TRUE(no_delay);
    auto peer = server.accept();
    ASSERT_EQ(::write(peer.get(), "x", 1), 1);
    char byte = 0;
    while (::read(fd, &byte, 1) != 1) ASSERT_EQ(errno, EAGAIN);
    EXPECT_EQ(byte, 'x');
    EXPECT_EQ(net.dials(), 0u);
}

TEST(network, a_unix_socket_is_local) {
    const auto path = std::filesystem::temp_directory_path() / ("sigrun-net-test-" + std::to_string(getpid()));
    net_address where;
    where.path = path.string();
    const auto a = numeric_address(where);
    unique_fd server(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(server.get(), a.get(), a.size), 0);
    ASSERT_EQ(::listen(server.get(), 1), 0);
    network net;
    auto got = dial_now(net, target("unix:" + where.path));
    std::filesystem::remove(path);
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_TRUE(got->local);
    EXPECT_EQ(got->peer, "unix");
    auto gone = dial_now(net, target("unix:" + where.path));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, errc::io);
}

TEST(network, a_port_without_listener_is_an_io_problem_that_names_it) {
    dead_port dead;
    network net;
    const auto got = dial_now(net, target(dead.at()));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::io);
    EXPECT_NE(got.error().text().find(dead.at()), std::string::npos) << got.error().text();
}

TEST(network, a_dead_address_of_a_name_does_not_hold_up_a_live_one) {
    ear server;
    // 127.0.0.2 refuses at once; an address that swallows packets is overtaken after 250 ms.
    network refused(resolving_to({"127.0.0.2", "127.0.0.1"}));
    auto got = dial_now(refused, target("name:" + std::to_string(server.port)));
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->peer, server.at());

    ear full(AF_INET, 0);  // its queue is full after a few: the next SYN gets no answer
    std::vector<unique_fd> fill;
    network net;
    for (;;) {
        auto one = dial_now(net, target(full.at(), 300ms));
        if (!one) {
            EXPECT_EQ(one.error().code, errc::timeout);
            break;
        }
        fill.push_back(std::move(one->fd));
        ASSERT_LT(fill.size(), 64u);
    }
}

TEST(network, the_second_address_is_tried_after_a_quarter_second_of_silence) {
    ear full(AF_INET, 0), other(AF_INET6, 4);
    if (!other.fd) GTEST_SKIP() << "no IPv6 here";
    // Both families on one port number.
    unique_fd six(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto a = numeric_address(*parse_net_address("[::1]:" + std::to_string(full.port)));
    if (::bind(six.get(), a.get(), a.size) != 0 || ::listen(six.get(), 8) != 0) GTEST_SKIP() << "the port is taken";
    network net(resolving_to({"127.0.0.1", "::1"}));
    std::vector<unique_fd> fill;
    for (int i = 0; i < 64; ++i) {
        const auto begun = std::chrono::steady_clock::now();
        auto got = dial_now(net, target("name:" + std::to_string(full.port)));
        ASSERT_TRUE(got) << got.error().text();
        const bool over_six = got->peer.starts_with("[");
        fill.push_back(std::move(got->fd));
        if (!over_six) continue;
        EXPECT_GE(std::chrono::steady_clock::now() - begun, connect_race::k_step);
        return;
    }
    FAIL() << "the first address always answered";
}

TEST(network, names_are_looked_up_without_holding_up_others) {
    ear server;
    hanging_resolver names;
    net_options o;
    o.resolver = names.hook();
    network net(o);
    std::vector<std::future<result<dialled>>> dead;
    for (int i = 0; i < 10; ++i) dead.push_back(dial(net, target(i % 2 ? "dead-1:1" : "dead-2:1")));
    names.wait_begun(2);
    for (int i = 0; i < 5; ++i) {
        auto got = dial_now(net, target(server.at("live-" + std::to_string(i))));
        ASSERT_TRUE(got) << got.error().text();
    }
    names.release();
    for (auto& each : dead) EXPECT_EQ(each.get().error().code, errc::not_found);
    EXPECT_EQ(names.wait_begun(7).size(), 7u) << "askers for one name share its lookup";
}

TEST(network, a_hanging_lookup_ends_with_the_deadline_and_holds_up_no_shutdown) {
    hanging_resolver names;
    net_options o;
    o.resolver = names.hook();
    {
        network net(o);
        auto late = dial(net, target("dead-1:1", 1s));
        names.wait_begun(1);
        EXPECT_EQ(late.get().error().code, errc::timeout);
        auto open = dial(net, target("dead-2:1", 600s));
        names.wait_begun(2);
        net.stop();
        EXPECT_EQ(open.get().error().code, errc::cancelled);
    }  // the lookups hang on
    names.release();
}

TEST(network, no_lookup_begins_for_a_deadline_that_has_passed) {
    hanging_resolver names;
    net_options o;
    o.resolver = names.hook();
    network net(o);
    std::vector<std::future<result<dialled>>> dead;
    for (std::size_t i = 0; i < name_lookup::k_threads; ++i)
        dead.push_back(dial(net, target("dead-" + std::to_string(i) + ":1")));
    names.wait_begun(name_lookup::k_threads);
    EXPECT_EQ(dial_now(net, target("late:1", 5ms)).error().code, errc::timeout);
    names.release();
    for (auto& each : dead) each.get();
    EXPECT_EQ(dial_now(net, target("live-after:1", 5s)).error().code, errc::io);
    for (const auto& name : names.wait_begun(name_lookup::k_threads + 1)) EXPECT_NE(name, "late");
}

TEST(network, giving_up_answers_cancelled_once_and_only_for_the_owner) {
    hanging_resolver names;
    net_options o;
    o.resolver = names.hook();
    network net(o);
    std::atomic<int> calls{0};
    std::promise<result<dialled>> promised;
    auto to = target("dead:1");
    to.owner = 7;
    const auto id = net.dial(to, [&](result<dialled> got) {
        if (++calls == 1) promised.set_value(std::move(got));
    });
    ASSERT_TRUE(id);
    names.wait_begun(1);
    auto answer = promised.get_future();
    net.cancel(*id, 8);
    auto other = target("dead:1", 1ms);
    dial_now(net, other);  // the loop has passed the cancel of a stranger
    EXPECT_EQ(answer.wait_for(0s), std::future_status::timeout);
    net.cancel(*id, 7);
    net.cancel(*id, 7);
    EXPECT_EQ(answer.get().error().code, errc::cancelled);
    names.release();
    net.stop();
    EXPECT_EQ(calls, 1);
}

TEST(network, more_dials_than_allowed_are_refused_as_busy) {
    hanging_resolver names;
    net_options o;
    o.resolver = names.hook();
    o.max_dials = 3;
    network net(o);
    std::vector<std::future<result<dialled>>> open;
    for (int i = 0; i < 3; ++i) open.push_back(dial(net, target("dead:1")));
    const auto more = net.dial(target("dead:1"), [](result<dialled>) { FAIL(); });
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, errc::busy);
    EXPECT_GT(more.error().retry_after_ms, 0u);
    names.release();
    for (auto& each : open) each.get();
    EXPECT_EQ(dial_now(net, target("live:1")).error().code, errc::io) << "there is room again";
}

TEST(network, an_address_nobody_can_read_is_refused_before_anything_begins) {
    network net;
    const auto got = net.dial(target("nonsense"), [](result<dialled>) { FAIL(); });
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::invalid);
    EXPECT_EQ(net.dials(), 0u);
}

TEST(network, after_stop_nothing_is_dialled) {
    ear server;
    network net;
    net.stop();
    const auto got = net.dial(target(server.at()), [](result<dialled>) { FAIL(); });
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, errc::cancelled);
}

}  // namespace
}  // namespace sigrun::net_test
