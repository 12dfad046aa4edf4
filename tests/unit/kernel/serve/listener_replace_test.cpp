// A protocol gives way to another version of itself while connections arrive.
#include "kernel/serve/listener.hpp"
#include "unit/kernel/serve/fake_protocol.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <future>
#include <thread>

using namespace sigrun;
using namespace sigrun::test;

namespace {

class door : public testing::Test {
protected:
    ~door() override {
        ears.reset();
        host.shutdown();
        for (int fd : clients) ::close(fd);
    }
    /// Lives as long as the listener, which lets it go at its own end.
    fake_protocol& protocol(const char* name, const char* greeting) {
        return *made.emplace_back(std::make_unique<fake_protocol>(name, greeting));
    }
    void start(const std::vector<std::shared_ptr<instance>>& protocols) {
        listener_options options;
        options.addresses = {"127.0.0.1:0"};
        ears->start(options, protocols).value();
    }
    int connect() {
        const auto bound = ears->bound().at(0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        at.sin_port = htons(static_cast<std::uint16_t>(std::stoi(bound.substr(bound.rfind(':') + 1))));
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
        std::lock_guard lock(mutex);
        clients.push_back(fd);
        return fd;
    }
    static void say(int fd, std::string_view text) {
        EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
    }
    /// The protocol has looked at a connection's first bytes this often.
    static void wait_asked(const fake_protocol& p, std::size_t n) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (p.asked() < n && std::chrono::steady_clock::now() < until) std::this_thread::yield();
        ASSERT_GE(p.asked(), n);
    }

    metrics meters;
    plugin_host host{{}, settings::parse("", "none.ini").value(), meters};
    std::mutex mutex;
    std::vector<int> clients;
    std::vector<std::unique_ptr<fake_protocol>> made;
    std::unique_ptr<listener> ears = std::make_unique<listener>(host, meters);
};

}  // namespace

TEST_F(door, later_connections_go_to_the_new_version) {
    auto& before = protocol("alpha", "ALPHA");
    auto& after = protocol("alpha", "ALPHA");
    auto& other = protocol("beta", "BETA");
    start({before.wrapped(), other.wrapped()});
    say(connect(), "ALPHA");
    before.wait(0);
    EXPECT_TRUE(ears->replace(before.wrapped(), after.wrapped()));
    EXPECT_EQ(before.wrapped().use_count(), 1) << "the old one is still held";
    say(connect(), "ALPHA");
    after.wait(0);
    say(connect(), "BETA");
    other.wait(0);
    EXPECT_EQ(before.count(), 1u);
    EXPECT_NE(meters.text().find("sigrun_connections_accepted_total{protocol=\"alpha\"} 2"), std::string::npos);
}

TEST_F(door, the_same_with_the_two_exchanged_takes_it_back) {
    auto& before = protocol("alpha", "ALPHA");
    auto& after = protocol("alpha", "ALPHA");
    start({before.wrapped()});
    EXPECT_TRUE(ears->replace(before.wrapped(), after.wrapped()));
    EXPECT_TRUE(ears->replace(after.wrapped(), before.wrapped()));
    say(connect(), "ALPHA");
    before.wait(0);
    EXPECT_EQ(after.wrapped().use_count(), 1);
}

TEST_F(door, a_protocol_that_comes_later_is_asked_and_may_go_again) {
    fake_protocol here("alpha", "ALPHA"), later("beta", "BETA");
    start({here.wrapped()});
    EXPECT_TRUE(ears->replace(nullptr, later.wrapped()));
    say(connect(), "BETA");
    later.wait(0);
    say(connect(), "ALPHA");
    here.wait(0);
    EXPECT_TRUE(ears->replace(later.wrapped(), nullptr));
    EXPECT_EQ(later.wrapped().use_count(), 1) << "it is still held";
    const int fd = connect();
    say(fd, "BETA");
    char byte = 0;
    EXPECT_LE(::recv(fd, &byte, 1, 0), 0) << "nobody knows it any more";
    EXPECT_EQ(later.count(), 1u);
}

TEST_F(door, the_order_stays) {
    auto& first = protocol("first", "SAME");
    auto& second = protocol("second", "SAME");
    auto& first_again = protocol("first", "SAME");
    start({first.wrapped(), second.wrapped()});
    EXPECT_TRUE(ears->replace(first.wrapped(), first_again.wrapped()));
    say(connect(), "SAME");
    first_again.wait(0);
    EXPECT_EQ(second.asked(), 0u);
}

TEST_F(door, a_connection_of_which_part_has_arrived_is_told_to_the_new_version) {
    auto& before = protocol("alpha", "ALPHA");
    auto& after = protocol("alpha", "ALPHA");
    start({before.wrapped()});
    const int fd = connect();
    say(fd, "ALP");
    wait_asked(before, 1);
    EXPECT_TRUE(ears->replace(before.wrapped(), after.wrapped()));
    say(fd, "HA");
    after.wait(0);
    EXPECT_EQ(before.count(), 0u);
}

TEST_F(door, a_waiting_connection_that_the_old_version_did_not_know_is_asked_for_again) {
    auto& before = protocol("alpha", "ALPHA");
    auto& after = protocol("alpha", "GAMMA");
    auto& patient = protocol("patient", "GAMMA AND MORE");
    start({before.wrapped(), patient.wrapped()});
    say(connect(), "GAMMA");
    wait_asked(patient, 1);  // it waits for more, alpha said no
    EXPECT_TRUE(ears->replace(before.wrapped(), after.wrapped()));
    after.wait(0);
}

TEST_F(door, who_is_not_there_and_a_door_that_is_closed_need_no_exchange) {
    auto& before = protocol("alpha", "ALPHA");
    auto& after = protocol("alpha", "ALPHA");
    auto& stranger = protocol("beta", "BETA");
    EXPECT_TRUE(ears->replace(before.wrapped(), after.wrapped()));
    start({before.wrapped()});
    EXPECT_TRUE(ears->replace(stranger.wrapped(), after.wrapped()));
    say(connect(), "ALPHA");
    before.wait(0);
    ears->stop();
    EXPECT_TRUE(ears->replace(before.wrapped(), after.wrapped()));
    EXPECT_EQ(after.wrapped().use_count(), 1);
}

TEST_F(door, a_plugin_that_holds_the_thread_makes_the_exchange_late_not_wrong) {
    auto& before = protocol("alpha", "ALPHA");
    auto& after = protocol("alpha", "ALPHA");
    std::promise<void> release;
    before.when_asked = [gate = release.get_future().share()] { gate.wait(); };
    start({before.wrapped()});
    say(connect(), "ALPHA");
    wait_asked(before, 1);
    EXPECT_FALSE(ears->replace(before.wrapped(), after.wrapped()));
    release.set_value();
    before.wait(0);
    say(connect(), "ALPHA");
    after.wait(0);
}

TEST_F(door, no_connection_is_lost_by_hundreds_of_exchanges) {
    auto& a = protocol("alpha", "ALPHA");
    auto& b = protocol("alpha", "ALPHA");
    start({a.wrapped()});
    constexpr std::size_t k_each = 300;
    std::vector<std::thread> callers;
    for (int t = 0; t < 3; ++t)
        callers.emplace_back([&, t] {
            for (std::size_t i = 0; i < k_each; ++i) {
                const int fd = connect();
                if ((i + static_cast<std::size_t>(t)) % 2) {
                    say(fd, "ALPHA");
                } else {
                    say(fd, "AL");
                    say(fd, "PHA");
                }
            }
        });
    std::size_t exchanges = 0;
    for (; a.count() + b.count() < 3 * k_each && exchanges < 100'000; exchanges += 2) {
        ASSERT_TRUE(ears->replace(a.wrapped(), b.wrapped()));
        ASSERT_TRUE(ears->replace(b.wrapped(), a.wrapped()));
    }
    for (auto& c : callers) c.join();
    EXPECT_EQ(a.count() + b.count(), 3 * k_each);
    EXPECT_GT(exchanges, 2u);
}
