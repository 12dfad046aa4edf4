// What rtnetlink and ethtool say, as plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sigrun::network {

struct net_link {
    std::uint32_t index = 0;
    std::string name;
    std::string kind;        // of a device made by software: "veth", "bridge"; empty for others
    std::uint16_t type = 0;  // ARPHRD_...
    std::uint32_t flags = 0, mtu = 0;
    std::uint8_t operstate = 0;  // IF_OPER_...
    std::string address;         // the bytes of the link layer address
};
struct net_address {
    std::uint32_t index = 0;
    std::uint8_t family = 0, prefix = 0, scope = 0;
    std::uint32_t flags = 0;  // IFA_F_...
    std::string text;         // "192.0.2.2"
};
/// A default route of the main table.
struct net_route {
    std::uint8_t family = 0;
    std::uint32_t index = 0, metric = 0;
    std::string source;  // preferred source address, if the route names one
};
struct net_tables {
    int error = 0;  // an errno: nothing is known
    std::vector<net_link> links;
    std::vector<net_address> addresses;
    std::vector<net_route> defaults;
};

struct device_answer {
    bool gone = false;  // there is no such device any more
    std::string driver, firmware;
    std::optional<std::uint32_t> speed_mbps;  // as the driver says it, traps and all
    std::optional<std::uint8_t> duplex;
    bool negotiated = false;
    std::vector<std::string> offloads;
};

}  // namespace sigrun::network
