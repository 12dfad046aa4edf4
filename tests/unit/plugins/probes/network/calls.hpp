// A machine for the network probe, made here.
#pragma once

#include "fixtures/machines/rig.hpp"
#include "network_probe.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sigrun::network {

constexpr std::uint32_t k_up = IFF_UP | IFF_RUNNING | IFF_LOWER_UP;

struct machine {
    net_tables tables;
    std::map<std::string, device_answer> devices;
    std::map<std::string, std::string> variables;
    machines::scratch_tree tree;

    machine& link(std::uint32_t index, const std::string& name, const std::string& kind = "",
                  std::uint32_t flags = k_up, std::uint16_t type = ARPHRD_ETHER) {
        const char mac[] = {0x52, 0x54, 0, 0, 0, static_cast<char>(index)};
        tables.links.push_back({.index = index,
                                .name = name,
                                .kind = kind,
                                .type = type,
                                .flags = flags,
                                .mtu = 1500,
                                .operstate = 6,
                                .address = std::string(mac, sizeof mac)});
        return *this;
    }
    /// An interface of hardware: sysfs has its device.
    machine& card(std::uint32_t index, const std::string& name) {
        tree.write("sys/class/net/" + name + "/device/vendor", "0x8086\n");
        return link(index, name);
    }
    machine& address(std::uint32_t index, int family, const std::string& text, std::uint8_t prefix,
                     std::uint8_t scope = RT_SCOPE_UNIVERSE, std::uint32_t flags = 0) {
        tables.addresses.push_back({.index = index,
                                    .family = static_cast<std::uint8_t>(family),
                                    .prefix = prefix,
                                    .scope = scope,
                                    .flags = flags,
                                    .text = text});
        return *this;
    }
    machine& route(int family, std::uint32_t index, std::uint32_t metric = 0, const std::string& source = "") {
        tables.defaults.push_back({static_cast<std::uint8_t>(family), index, metric, source});
        return *this;
    }
    machine_calls calls() {
        return {[this] { return tables; }, [this](const std::string& name) { return devices[name]; },
                [this](const char* name) { return variables[name]; }};
    }
    machines::fact_map facts() {
        return machines::facts_below(tree.path(), [this](auto& root, auto& run) { collect(root, calls(), run); });
    }
};

}  // namespace sigrun::network
