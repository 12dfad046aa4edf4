// Ways out of made machines, and the texts that name servers, proxies and names come from.
#include "calls.hpp"

namespace sigrun::network {
namespace {

using machines::status_of;
using machines::value_of;

TEST(network_probe, the_way_out_is_the_default_route_with_the_lowest_metric) {
    machine m;
    m.card(2, "eth0").card(3, "wlan0").address(2, AF_INET, "192.0.2.2", 24).address(3, AF_INET, "198.51.100.2", 24);
    m.route(AF_INET, 3, 600).route(AF_INET, 2, 100).route(AF_INET6, 3, 1);
    const auto facts = m.facts();
    EXPECT_EQ(value_of(facts, "net.default_if"), "eth0");
    EXPECT_EQ(value_of(facts, "net.egress_ip"), "192.0.2.2");
    EXPECT_TRUE(facts.at("net.egress_ip").contains("unique"));
    EXPECT_EQ(facts.at("net.egress_ip").at("method"), "derived");
    for (const char* key :
         {"net.controller_rtt_us", "net.controller_up_bps", "net.nat", "net.path_mtu", "net.clock_skew_ms"})
        EXPECT_EQ(status_of(facts, key), "missing") << key << " is measured elsewhere";
}

TEST(network_probe, the_source_is_the_routes_own_or_a_usable_address_of_its_interface) {
    machine m;
    m.card(2, "eth0")
        .address(2, AF_INET, "192.0.2.9", 24, RT_SCOPE_UNIVERSE, IFA_F_SECONDARY)
        .address(2, AF_INET, "192.0.2.2", 24);
    m.route(AF_INET, 2);
    EXPECT_EQ(value_of(m.facts(), "net.egress_ip"), "192.0.2.2");
    m.tables.defaults[0].source = "192.0.2.9";
    EXPECT_EQ(value_of(m.facts(), "net.egress_ip"), "192.0.2.9");
    machine six;
    six.card(2, "eth0")
        .address(2, AF_INET6, "fe80::1", 64, RT_SCOPE_LINK)
        .address(2, AF_INET6, "2001:db8::9", 64, RT_SCOPE_UNIVERSE, IFA_F_DEPRECATED);
    six.address(2, AF_INET6, "2001:db8::2", 64)
        .address(2, AF_INET6, "2001:db8::1", 64, RT_SCOPE_UNIVERSE, IFA_F_TENTATIVE)
        .route(AF_INET6, 2);
    EXPECT_EQ(value_of(six.facts(), "net.egress_ip"), "2001:db8::2");
    EXPECT_EQ(value_of(six.facts(), "net.ipv4"), false);
    EXPECT_EQ(value_of(six.facts(), "net.ipv6"), true);
}

TEST(network_probe, addresses_of_the_machine_and_link_alone_reach_nobody) {
    machine m;
    m.link(1, "lo", "", k_up | IFF_LOOPBACK, ARPHRD_LOOPBACK).address(1, AF_INET, "10.0.0.1", 32);
    m.card(2, "eth0")
        .address(2, AF_INET, "169.254.1.1", 16, RT_SCOPE_LINK)
        .address(2, AF_INET6, "fe80::1", 64, RT_SCOPE_LINK);
    m.link(3, "eth1", "", 0).address(3, AF_INET, "192.0.2.7", 24);  // not up
    m.route(AF_INET, 77);                                           // of an interface that is gone
    const auto facts = m.facts();
    EXPECT_EQ(value_of(facts, "net.ipv4"), false);
    EXPECT_EQ(value_of(facts, "net.ipv6"), false);
    EXPECT_EQ(status_of(facts, "net.default_if"), "absent");
    EXPECT_EQ(status_of(facts, "net.egress_ip"), "absent");
}

TEST(network_probe, a_proxy_is_told_without_its_user_and_password) {
    for (const auto& [written, shown] :
         std::vector<std::pair<const char*, const char*>>{{"http://proxy:3128", "http://proxy:3128"},
                                                          {"http://me:secret@proxy:3128/", "http://proxy:3128"},
                                                          {"me:secret@proxy.example.org:80", "proxy.example.org:80"},
                                                          {"http://me:s/e@c?r#et@[::1]:80/x", "http://[::1]:80"},
                                                          {" socks5h://proxy ", "socks5h://proxy"},
                                                          {"proxy", "proxy"}})
        EXPECT_EQ(proxy_without_secrets(written), shown) << written;
    for (const char* wrong :
         {"", "http://", "://x", "http://me:secret@", "a b", "http://pro xy", "javascript:alert(1)//\"", "ht tp://x"})
        EXPECT_FALSE(proxy_without_secrets(wrong)) << wrong;
    machine m;
    m.variables = {
        {"http_proxy", "http://last"}, {"HTTPS_PROXY", "http://me:secret@first:1"}, {"HTTP_PROXY", "http://evil"}};
    auto facts = m.facts();
    EXPECT_EQ(value_of(facts, "net.proxy"), "http://first:1");
    EXPECT_EQ(facts.at("net.proxy").at("source"), "environment HTTPS_PROXY");
    m.variables = {{"https_proxy", "me:secret word@\"<"}};
    facts = m.facts();
    EXPECT_EQ(status_of(facts, "net.proxy"), "error");
    EXPECT_EQ(machines::json::serialize(facts.at("net.proxy")).find("secret"), std::string::npos);
    m.variables = {{"HTTP_PROXY", "http://evil"}};
    EXPECT_EQ(status_of(m.facts(), "net.proxy"), "absent");
}

TEST(network_probe, name_servers_are_addresses_and_not_too_many) {
    EXPECT_EQ(
        name_servers(
            "# nameserver 1.1.1.1\nnameserver 192.0.2.53 # x\n nameserver\tfe80::1%eth0\nnameserver\nnameserver me\n"
            "search example.org\nnameserverx 192.0.2.1\noptions nameserver 192.0.2.1"),
        (std::vector<std::string>{"192.0.2.53", "fe80::1%eth0"}));
    std::string many;
    for (int i = 0; i < 100; ++i) many += "nameserver 192.0.2." + std::to_string(i) + "\n";
    EXPECT_EQ(name_servers(many).size(), 16u);
    machine m;
    EXPECT_EQ(status_of(m.facts(), "net.dns"), "absent");
    m.tree.write("etc/resolv.conf", "nameserver 192.0.2.53\n");
    EXPECT_EQ(value_of(m.facts(), "net.dns"), machines::json::parse(R"(["192.0.2.53"])"));
}

TEST(network_probe, the_full_name_is_known_or_not_without_asking) {
    machine m;
    m.tree.write("proc/sys/kernel/hostname", "build7\n");
    EXPECT_EQ(status_of(m.facts(), "net.fqdn"), "absent");
    m.tree.write("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 build7\n");
    EXPECT_EQ(status_of(m.facts(), "net.fqdn"), "absent");
    m.tree.write(
        "etc/hosts",
        "# 127.0.1.1 build7.wrong.org build7\n127.0.1.1\tother.example.org build7.example.org build7 # mine\n");
    EXPECT_EQ(value_of(m.facts(), "net.fqdn"), "build7.example.org");
    EXPECT_TRUE(m.facts().at("net.fqdn").contains("unique"));
    m.tree.write("proc/sys/kernel/hostname", "build8.example.org\n");
    EXPECT_EQ(value_of(m.facts(), "net.fqdn"), "build8.example.org");
}

}  // namespace
}  // namespace sigrun::network
