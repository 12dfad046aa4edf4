// The interfaces: what each is, how fast its link is, and what its driver can do.
#include "network_probe.hpp"

#include <sigrun/cpp/short_hash.hpp>

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <sys/socket.h>

#include <map>

namespace sigrun::network {
namespace {

constexpr std::size_t k_max_addresses_each = 64;
constexpr std::uint32_t k_highest_mbps = 10'000'000;  // 10 Tb/s: more is no link

/// Drivers of devices that a hypervisor makes up: their speed is a setting, not a link.
bool made_up(std::string_view driver) noexcept {
    for (std::string_view name : {"virtio_net", "vmxnet3", "hv_netvsc", "xen_netfront", "vif", "gve", "ena", "mana"})
        if (driver == name) return true;
    return false;
}

std::string state_of(const net_link& link) {
    static constexpr std::string_view k_words[] = {"unknown", "notpresent", "down", "lowerlayerdown",
                                                   "testing", "dormant",    "up"};
    if (link.operstate > 0 && link.operstate < std::size(k_words)) return std::string(k_words[link.operstate]);
    // Many drivers never set a state; then the interface counts as usable if it is up and has a carrier.
    return (link.flags & IFF_UP) && (link.flags & IFF_LOWER_UP) ? "up" : "down";
}

/// Software whose speed is that of the links below it.
bool sums_up(const net_link& l) noexcept { return l.kind == "bond" || l.kind == "team" || l.kind == "vlan"; }

class listing {
public:
    listing(const sdk::sysroot& root, const machine_calls& calls, net_tables tables)
        : root_(root), calls_(calls), tables_(std::move(tables)) {}

    /// The interfaces of hardware first, then by index: a machine with a thousand containers has more than fit.
    std::vector<std::string> names() {
        if (!first_) {
            auto now = calls_.tables();
            if (now.error == 0) tables_ = std::move(now);
        }
        first_ = false;
        std::vector<std::pair<std::pair<bool, std::uint32_t>, std::string>> all;
        links_.clear();
        for (const auto& l : tables_.links)
            if (links_.emplace(l.name, &l).second) all.push_back({{!hardware(l), l.index}, l.name});
        std::sort(all.begin(), all.end());
        std::vector<std::string> out;
        for (auto& [rank, name] : all) out.push_back(std::move(name));
        return out;
    }

    std::optional<sdk::record> read(const std::string& name) {
        const auto& link = *links_.at(name);
        // What software made answers for nothing but itself, and a machine with containers has thousands of it.
        const bool asked = link.kind.empty() || sums_up(link);
        const auto device = asked && calls_.device ? calls_.device(name) : device_answer{};
        if (device.gone) return std::nullopt;
        std::string driver = device.driver;
        if (asked && driver.empty()) {
            const auto file = root_.link(folder(name) + "/device/driver");
            if (file) driver = file.text.substr(file.text.rfind('/') + 1);
        }
        sdk::record out;
        out.add("name", name).add("kind", kind(link));
        // Loopback has the address 0, which is nobody's.
        if (link.address.find_first_not_of('\0') != link.address.npos)
            out.add("mac_hash", sdk::short_hash(link.address));
        out.add("state", state_of(link));
        if (link.mtu > 0) out.add("mtu", link.mtu);
        add_speed(out, link, device, driver);
        if (!driver.empty()) out.add("driver", driver.substr(0, 64));
        if (!device.firmware.empty() && device.firmware != "N/A") out.add("firmware", device.firmware.substr(0, 64));
        if (!device.offloads.empty()) out.add("offloads", device.offloads);
        if (asked) add_sysfs(out, name);
        out.add("addresses", addresses(link.index));
        return out;
    }

private:
    static std::string folder(const std::string& name) { return "/sys/class/net/" + name; }
    /// Software's interfaces have a kind; what has none and hangs at no device was made by an older driver.
    bool hardware(const net_link& l) const {
        return l.kind.empty() && !(l.flags & IFF_LOOPBACK) &&
               root_.probe(folder(l.name) + "/device") == sdk::read_status::ok;
    }
    std::string kind(const net_link& l) const {
        if (l.flags & IFF_LOOPBACK) return "loopback";
        if (!l.kind.empty()) return l.kind.substr(0, 32);
        if (l.type == ARPHRD_INFINIBAND) return "infiniband";
        if (l.type == ARPHRD_NONE || l.type == ARPHRD_TUNNEL || l.type == ARPHRD_TUNNEL6 || l.type == ARPHRD_SIT ||
            l.type == ARPHRD_IPGRE)
            return "tunnel";
        if (l.type != ARPHRD_ETHER) return "other";
        if (root_.probe(folder(l.name) + "/phy80211") == sdk::read_status::ok) return "wifi";
        return hardware(l) ? "ethernet" : "virtual";
    }
    void add_speed(sdk::record& out, const net_link& link, const device_answer& device, std::string_view driver) const {
        // A bridge, a tunnel or a veth answers with a number that is written in its driver.
        const bool real = sums_up(link) || hardware(link);
        if (const auto bps = real && device.speed_mbps ? known_speed_bps(*device.speed_mbps) : std::nullopt)
            out.add("speed_bps", *bps)
                .add("speed_method", made_up(driver)     ? "declared"
                                     : device.negotiated ? "negotiated"
                                                         : "reported");
        if (real && device.duplex && *device.duplex <= DUPLEX_FULL)
            out.add("duplex", *device.duplex == DUPLEX_FULL ? "full" : "half");
    }
    void add_sysfs(sdk::record& out, const std::string& name) const {
        const auto queues = root_.list(folder(name) + "/queues");
        if (const auto n =
                std::count_if(queues.begin(), queues.end(), [](const auto& q) { return q.starts_with("rx-"); }))
            out.add("queues", n);
        if (const auto n = sdk::parse_u64(root_.read(folder(name) + "/device/sriov_totalvfs", 64).text))
            out.add("sriov_total", *n);
        const auto node = sdk::parse_i64(root_.read(folder(name) + "/device/numa_node", 64).text);
        if (node && *node >= 0) out.add("numa_node", *node);  // -1: near to none
    }
    std::vector<std::string> addresses(std::uint32_t index) const {
        std::vector<std::string> out;
        for (const auto& a : tables_.addresses)
            if (a.index == index && out.size() < k_max_addresses_each)
                out.push_back(a.text + "/" + std::to_string(a.prefix));
        return out;
    }
    const sdk::sysroot& root_;
    const machine_calls& calls_;
    net_tables tables_;
    std::map<std::string, const net_link*> links_;
    bool first_ = true;
};

}  // namespace

std::optional<std::uint64_t> known_speed_bps(std::uint32_t mbps) noexcept {
    if (mbps == 0 || mbps == 65535 || mbps > k_highest_mbps) return std::nullopt;
    return std::uint64_t{mbps} * 1'000'000;
}

void read_interfaces(const sdk::sysroot& root, const machine_calls& calls, const net_tables& tables,
                     sdk::probe_run& run) {
    sdk::fact_info info{.source = "rtnetlink", .volatility = "slow", .ttl_s = 60, .unique = true};
    if (!calls.tables || tables.error != 0) {
        char room[128] = {};
        info.detail = calls.tables ? strerror_r(tables.error, room, sizeof room) : "not told by a file";
        const auto status = calls.tables ? sdk::status_of_errno(tables.error) : sdk::read_status::absent;
        return run.facts().none("nic", sdk::fact_writer::word(status), info);
    }
    if (calls.device) info.source = "rtnetlink ethtool";
    listing list(root, calls, tables);
    const auto found = sdk::scan_devices(
        run, [&] { return list.names(); }, [&](const std::string& name) { return list.read(name); });
    if (!found.stopped) sdk::device_list(run.facts(), "nic", found, info);
}

}  // namespace sigrun::network
