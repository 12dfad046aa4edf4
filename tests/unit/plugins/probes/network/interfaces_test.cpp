// Interfaces of made machines.
#include "calls.hpp"

#include <linux/ethtool.h>

namespace sigrun::network {
namespace {

using machines::status_of;
using machines::value_of;
using machines::json::parse;

machines::json::object nic(machine& m, const std::string& name) {
    const auto list = value_of(m.facts(), "nic");
    for (const auto& item : list.as_array())
        if (item.at("name") == machines::json::value(name)) return item.as_object();
    return {};
}

TEST(mission_D9, speeds_that_drivers_say_when_they_know_none_are_unknown) {
    for (const std::uint32_t nothing : {0u, 65535u, 4294967295u, 4294967294u, 10'000'001u})
        EXPECT_FALSE(known_speed_bps(nothing)) << nothing;
    EXPECT_EQ(known_speed_bps(10), 10'000'000u);
    EXPECT_EQ(known_speed_bps(400'000), 400'000'000'000u);
    machine m;
    m.card(2, "eth0").card(3, "eth1").card(4, "eth2");
    m.devices["eth0"] = {.driver = "virtio_net", .speed_mbps = 4294967295u, .duplex = std::uint8_t{DUPLEX_UNKNOWN}};
    m.devices["eth1"] = {.driver = "igb",
                         .firmware = "1.63",
                         .speed_mbps = 1000,
                         .duplex = std::uint8_t{DUPLEX_FULL},
                         .negotiated = true};
    m.devices["eth2"] = {.driver = "old"};  // EINVAL: it says nothing at all
    for (const char* name : {"eth0", "eth2"}) {
        EXPECT_FALSE(nic(m, name).contains("speed_bps")) << nic(m, name);
        EXPECT_FALSE(nic(m, name).contains("speed_method")) << nic(m, name);
        EXPECT_FALSE(nic(m, name).contains("duplex")) << nic(m, name);
    }
    EXPECT_EQ(nic(m, "eth1").at("speed_bps"), 1'000'000'000);
    EXPECT_EQ(nic(m, "eth1").at("speed_method"), "negotiated");
    EXPECT_EQ(nic(m, "eth1").at("duplex"), "full");
}

TEST(mission_D9, numbers_written_in_drivers_are_no_speeds) {
    machine m;
    m.link(2, "veth1", "veth")
        .link(3, "br0", "bridge")
        .link(4, "tun0", "tun", k_up, ARPHRD_NONE)
        .link(5, "bond0", "bond")
        .card(6, "ens5");
    for (const char* name : {"veth1", "br0", "tun0", "bond0", "ens5"})
        m.devices[name] = {.driver = "vmxnet3", .speed_mbps = 10'000, .duplex = std::uint8_t{DUPLEX_FULL}};
    for (const char* name : {"veth1", "br0", "tun0"}) EXPECT_FALSE(nic(m, name).contains("speed_bps")) << name;
    EXPECT_EQ(nic(m, "bond0").at("speed_bps"), 10'000'000'000) << "the sum of real links";
    EXPECT_EQ(nic(m, "ens5").at("speed_method"), "declared") << "a hypervisor's setting";
}

TEST(network_probe, an_interface_is_described_by_netlink_ethtool_and_sysfs) {
    machine m;
    m.card(2, "eth0").address(2, AF_INET, "192.0.2.2", 24).address(2, AF_INET6, "fe80::1", 64, RT_SCOPE_LINK);
    m.tree.write("sys/class/net/eth0/device/sriov_totalvfs", "63\n")
        .write("sys/class/net/eth0/device/numa_node", "1\n")
        .write("sys/class/net/eth0/queues/rx-0/x", "")
        .write("sys/class/net/eth0/queues/rx-1/x", "")
        .write("sys/class/net/eth0/queues/tx-0/x", "");
    m.devices["eth0"] = {.driver = "mlx5_core",
                         .firmware = "16.35.2000",
                         .speed_mbps = 100'000,
                         .duplex = std::uint8_t{DUPLEX_FULL},
                         .negotiated = true,
                         .offloads = {"tso", "gro"}};
    auto eth0 = nic(m, "eth0");
    EXPECT_EQ(eth0.at("mac_hash").as_string().size(), 16u);
    eth0.erase("mac_hash");
    EXPECT_EQ(eth0, parse(R"({"name":"eth0","kind":"ethernet","state":"up","mtu":1500,"speed_bps":100000000000,
        "speed_method":"negotiated","duplex":"full","driver":"mlx5_core","firmware":"16.35.2000","offloads":["gro","tso"],
        "queues":2,"sriov_total":63,"numa_node":1,"addresses":["192.0.2.2/24","fe80::1/64"]})"));
}

TEST(network_probe, without_ethtool_the_driver_is_what_sysfs_links_to) {
    machine m;
    m.card(2, "eth0");
    std::filesystem::create_symlink("../../../../bus/pci/drivers/e1000e",
                                    m.tree.path() + "/sys/class/net/eth0/device/driver");
    m.tree.write("sys/class/net/eth0/device/numa_node", "-1\n")
        .write("sys/class/net/eth0/device/sriov_totalvfs", "many\n");
    m.devices["eth0"].firmware = "N/A";
    const auto eth0 = nic(m, "eth0");
    EXPECT_EQ(eth0.at("driver"), "e1000e");
    for (const char* member : {"firmware", "numa_node", "sriov_total", "offloads", "queues"})
        EXPECT_FALSE(eth0.contains(member)) << member;
}

TEST(network_probe, kinds_and_states) {
    machine m;
    m.link(1, "lo", "", k_up | IFF_LOOPBACK, ARPHRD_LOOPBACK)
        .card(2, "wlan0")
        .link(3, "wg0", "wireguard", k_up, ARPHRD_NONE);
    m.link(4, "ib0", "", k_up, ARPHRD_INFINIBAND)
        .link(5, "sit0", "", 0, ARPHRD_SIT)
        .link(6, "odd0")
        .link(7, "can0", "", 0, 280);
    m.tree.write("sys/class/net/wlan0/phy80211/name", "phy0\n");
    m.tables.links[0].operstate = m.tables.links[2].operstate = m.tables.links[4].operstate =
        0;  // the driver never says
    m.tables.links[1].operstate = 2;
    m.tables.links[6].operstate = 99;
    std::map<std::string, std::string> kinds, states;
    const auto list = value_of(m.facts(), "nic");
    for (const auto& item : list.as_array()) {
        const std::string name(item.at("name").as_string());
        kinds.emplace(name, item.at("kind").as_string());
        states.emplace(name, item.at("state").as_string());
    }
    EXPECT_EQ(kinds, (std::map<std::string, std::string>{{"lo", "loopback"},
                                                         {"wlan0", "wifi"},
                                                         {"wg0", "wireguard"},
                                                         {"ib0", "infiniband"},
                                                         {"sit0", "tunnel"},
                                                         {"odd0", "virtual"},
                                                         {"can0", "other"}}));
    EXPECT_EQ(states, (std::map<std::string, std::string>{{"lo", "up"},
                                                          {"wlan0", "down"},
                                                          {"wg0", "up"},
                                                          {"ib0", "up"},
                                                          {"sit0", "down"},
                                                          {"odd0", "up"},
                                                          {"can0", "down"}}));
}

TEST(network_probe, link_layer_addresses_are_never_shown) {
    machine m;
    m.card(2, "eth0").card(3, "eth1");
    m.tables.links[1].address = m.tables.links[0].address;
    m.link(1, "lo", "", k_up | IFF_LOOPBACK, ARPHRD_LOOPBACK);
    m.tables.links[2].address = std::string(6, '\0');
    const auto facts = m.facts();
    const auto text = machines::json::serialize(facts.at("nic"));
    for (const char* shown : {"52:54", "525400", "RT\\u0000"}) EXPECT_EQ(text.find(shown), text.npos) << shown;
    EXPECT_EQ(nic(m, "eth0").at("mac_hash"), nic(m, "eth1").at("mac_hash"));
    EXPECT_FALSE(nic(m, "lo").contains("mac_hash")) << "the address 0 is nobody's";
    EXPECT_TRUE(facts.at("nic").contains("unique"));
}

TEST(network_probe, an_interface_that_goes_away_during_the_look_is_dropped) {
    machine m;
    m.card(2, "eth0").card(3, "eth1").link(4, "veth8", "veth");
    m.devices["eth1"].gone = true;  // ENODEV of the ioctl
    auto calls = m.calls();
    int looks = 0;
    calls.tables = [&] {
        auto now = m.tables;
        if (++looks >= 2) now.links.resize(2);  // veth8 is gone from the second look on
        return now;
    };
    const auto facts = machines::facts_below(m.tree.path(), [&](auto& root, auto& run) { collect(root, calls, run); });
    const auto list = value_of(facts, "nic").as_array();
    ASSERT_EQ(list.size(), 1u) << list;
    EXPECT_EQ(list[0].at("name"), "eth0");
}

TEST(network_probe, what_software_made_is_not_asked_for_what_hardware_has) {
    machine m;
    m.link(2, "veth0", "veth").link(3, "bond0", "bond").card(4, "eth0");
    auto calls = m.calls();
    std::vector<std::string> asked;
    calls.device = [&](const std::string& name) {
        asked.push_back(name);
        return device_answer{.driver = "d"};
    };
    const auto facts = machines::facts_below(m.tree.path(), [&](auto& root, auto& run) { collect(root, calls, run); });
    EXPECT_EQ(asked, (std::vector<std::string>{"eth0", "bond0"}));
    EXPECT_FALSE(value_of(facts, "nic").at(1).as_object().contains("driver"));
}

TEST(network_probe, of_too_many_interfaces_those_of_hardware_stay) {
    machine m;
    for (std::uint32_t i = 0; i < 2000; ++i) m.link(10 + i, "veth" + std::to_string(i), "veth");
    m.card(5000, "eth0");
    const auto facts = m.facts();
    const auto list = value_of(facts, "nic").as_array();
    EXPECT_EQ(list[0].at("name"), "eth0");
    EXPECT_LT(machines::json::serialize(list).size(), 64u * 1024);
    EXPECT_EQ(facts.at("nic").at("detail").as_string(), "cut: " + std::to_string(2001 - list.size()) + " more");
}

TEST(network_probe, refused_netlink_is_denied_and_an_empty_machine_has_no_value) {
    machine m;
    m.tables.error = EPERM;
    auto facts = m.facts();
    for (const char* key : {"nic", "net.default_if", "net.ipv4", "net.ipv6", "net.egress_ip"})
        EXPECT_EQ(status_of(facts, key), "denied") << key;
    machines::scratch_tree empty;
    facts = machines::facts_below(empty.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
    EXPECT_EQ(facts.size(), 8u);
    for (const auto& [key, f] : facts) EXPECT_FALSE(f.contains("value")) << key << " " << f;
}

}  // namespace
}  // namespace sigrun::network
