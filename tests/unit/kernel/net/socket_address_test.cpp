#include "kernel/net/socket_address.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

TEST(net_address, names_numbers_and_paths_are_taken_apart) {
    const auto name = parse_net_address("runner-7.example.net:7070");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->host, "runner-7.example.net");
    EXPECT_EQ(name->port, 7070);
    EXPECT_EQ(numeric_address(*name).size, 0u) << "a name has to be looked up";
    const auto six = parse_net_address("[2001:db8::1]:443");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->host, "2001:db8::1");
    EXPECT_EQ(six->text(), "[2001:db8::1]:443");
    EXPECT_EQ(numeric_address(*six).text(), "[2001:db8::1]:443");
    const auto path = parse_net_address("unix:/run/sigrun.sock");
    ASSERT_TRUE(path);
    EXPECT_EQ(path->path, "/run/sigrun.sock");
    EXPECT_EQ(numeric_address(*path).family(), AF_UNIX);
}

TEST(net_address, what_is_no_address_is_refused_with_what_was_found) {
    for (std::string bad :
         {"", "host", "host:", "host:0", "host:65536", "host:80x", ":80", "[::1:80", "[]:80", "::1:80", "[nonsense]:80",
          "a b:80", "user@host:80", "host/x:80", "unix:", "unix:relative"}) {
        const auto got = parse_net_address(bad);
        ASSERT_FALSE(got) << bad;
        EXPECT_EQ(got.error().field, "address") << bad;
        EXPECT_NE(got.error().found.find(bad), std::string::npos) << bad;
    }
    EXPECT_FALSE(parse_net_address("unix:/" + std::string(200, 'x')));
    EXPECT_FALSE(parse_net_address(std::string(300, 'x') + ":80"));
    EXPECT_FALSE(parse_net_address(std::string_view("a\0b:80", 6)));
}

TEST(net_address, only_this_machine_is_loopback) {
    auto loopback = [](const char* text) { return numeric_address(*parse_net_address(text)).is_loopback(); };
    for (auto local : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/x"})
        EXPECT_TRUE(loopback(local)) << local;
    for (auto other : {"128.0.0.1:1", "10.0.0.1:1", "[::2]:1", "[::ffff:10.0.0.1]:1", "0.0.0.0:1"})
        EXPECT_FALSE(loopback(other)) << other;
}

TEST(net_address, families_take_turns_and_the_first_begins) {
    auto a = [](const char* text) { return numeric_address(*parse_net_address(text)); };
    std::string order;
    for (const auto& each : interleave({a("[::1]:1"), a("[::2]:1"), a("[::3]:1"), a("1.1.1.1:1"), a("1.1.1.2:1")}))
        order += each.text() + " ";
    EXPECT_EQ(order, "[::1]:1 1.1.1.1:1 [::2]:1 1.1.1.2:1 [::3]:1 ");
    EXPECT_TRUE(interleave({}).empty());
}

}  // namespace
}  // namespace sigrun
