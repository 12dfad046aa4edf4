#include "machines/all_probes.hpp"

#include "cpu_probe.hpp"
#include "gpu_probe.hpp"
#include "memory_probe.hpp"
#include "network_probe.hpp"
#include "os_probe.hpp"
#include "pci_probe.hpp"
#include "rdma_probe.hpp"
#include "security_probe.hpp"
#include "storage_probe.hpp"
#include "usb_probe.hpp"
#include "virt_probe.hpp"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <sys/socket.h>

#include <cstring>

namespace machines {
namespace {

using namespace sigrun;

std::uint64_t number(const json::object& o, const char* name, std::uint64_t otherwise = 0) {
    const auto* v = o.if_contains(name);
    return v ? v->to_number<std::uint64_t>() : otherwise;
}
std::string text(const json::object& o, const char* name) {
    const auto* v = o.if_contains(name);
    return v ? std::string(v->as_string()) : std::string();
}

/// {"leaf:subleaf": [eax, ebx, ecx, edx]}, in hexadecimal; what is not there is 0.
template <class Regs>
Regs cpuid_row(const json::object& table, std::uint32_t leaf, std::uint32_t subleaf) {
    char name[32];
    std::snprintf(name, sizeof name, "%x:%x", leaf, subleaf);
    Regs r;
    if (const auto* row = table.if_contains(name)) {
        const auto word = [&](std::size_t i) { return row->as_array().at(i).to_number<std::uint32_t>(); };
        r = {word(0), word(1), word(2), word(3)};
    }
    return r;
}

cpu::machine_calls cpu_calls(const json::object& calls) {
    cpu::machine_calls out;
    if (const auto* list = calls.if_contains("affinity"))
        out.affinity = [set = sdk::parse_cpulist(std::string_view(list->as_string()))] { return set; };
    if (const auto* table = calls.if_contains("cpuid")) {
        out.cpuid = [table = table->as_object()](std::uint32_t leaf, std::uint32_t subleaf) {
            return cpuid_row<cpu::cpuid_regs>(table, leaf, subleaf);
        };
        out.xcr0 = [bits = number(calls, "xcr0")] { return bits; };
    }
    return out;
}

/// "hypervisor": the twelve bytes that it signs with; empty: the processor says that there is none.
virt::machine_calls virt_calls(const json::object& calls) {
    virt::machine_calls out;
    if (calls.contains("hypervisor"))
        out.cpuid = [signature = text(calls, "hypervisor")](std::uint32_t leaf) {
            virt::cpuid_regs r;
            char bytes[12] = {};
            signature.copy(bytes, sizeof bytes);
            if (leaf == 1 && !signature.empty()) r.ecx = 1u << 31;
            if (leaf == 0x40000000u) {
                std::memcpy(&r.ebx, bytes, 4);
                std::memcpy(&r.ecx, bytes + 4, 4);
                std::memcpy(&r.edx, bytes + 8, 4);
            }
            return r;
        };
    if (const auto* table = calls.if_contains("cpuid"))
        out.cpuid = [table = table->as_object()](std::uint32_t leaf) {
            return cpuid_row<virt::cpuid_regs>(table, leaf, 0);
        };
    return out;
}

memory::machine_calls memory_calls(const json::object& calls) {
    memory::machine_calls out;
    if (calls.contains("page_size")) out.page_size = [n = number(calls, "page_size")] { return n; };
    return out;
}

os::machine_calls os_calls(const json::object& calls) {
    os::machine_calls out;
    if (calls.contains("machine")) out.machine = [name = text(calls, "machine")] { return name; };
    if (const auto* pair = calls.if_contains("libc"))
        out.libc = [pair = pair->as_array()]() -> std::optional<os::c_library> {
            return os::c_library{std::string(pair.at(0).as_string()), std::string(pair.at(1).as_string())};
        };
    return out;
}

security::machine_calls security_calls(const json::object& calls) {
    security::machine_calls out;
    if (calls.contains("landlock"))
        out.landlock = [n = number(calls, "landlock")] { return security::landlock_answer{n, n ? 0 : ENOSYS}; };
    return out;
}

/// "spaces": {"/": [total bytes, available bytes, inodes, free inodes]}; asking for another path fails the test, because on
/// the machine it could have blocked.
storage::machine_calls storage_calls(const json::object& calls) {
    storage::machine_calls out;
    if (const auto* table = calls.if_contains("spaces"))
        out.space_of = [table = table->as_object()](const std::string& path) -> storage::answer<storage::space> {
            const auto* row = table.if_contains(path);
            EXPECT_TRUE(row) << "nobody may ask for the space of " << path;
            if (!row) return {ENOENT, {}};
            const auto n = [&](std::size_t i) { return row->as_array().at(i).to_number<std::uint64_t>(); };
            return {0, {n(0), n(1), n(2), n(3)}};
        };
    return out;
}

std::string bytes_of_mac(std::string_view text) {
    std::string out;
    for (; text.size() >= 2; text.remove_prefix(std::min<std::size_t>(3, text.size()))) {
        unsigned byte = 0;
        std::from_chars(text.data(), text.data() + 2, byte, 16);
        out += static_cast<char>(byte);
    }
    return out;
}

/// "links": [{"index", "name", "kind", "type", "flags", "mtu", "operstate", "mac", "addresses": ["192.0.2.5/24"],
/// "default": metric, "driver", "firmware", "speed": Mb/s, "duplex", "negotiated"}].
network::machine_calls network_calls(const json::object& calls) {
    network::machine_calls out;
    const auto* links = calls.if_contains("links");
    if (!links) return out;
    network::net_tables tables;
    std::map<std::string, network::device_answer> devices;
    for (const auto& item : links->as_array()) {
        const auto& l = item.as_object();
        const auto index = static_cast<std::uint32_t>(number(l, "index"));
        constexpr std::uint64_t k_up = 0x11043;  // up, broadcast, running, multicast, lower up
        tables.links.push_back({.index = index,
                                .name = text(l, "name"),
                                .kind = text(l, "kind"),
                                .type = static_cast<std::uint16_t>(number(l, "type", ARPHRD_ETHER)),
                                .flags = static_cast<std::uint32_t>(number(l, "flags", k_up)),
                                .mtu = static_cast<std::uint32_t>(number(l, "mtu", 1500)),
                                .operstate = static_cast<std::uint8_t>(number(l, "operstate", 6)),
                                .address = bytes_of_mac(text(l, "mac"))});
        auto& device = devices[text(l, "name")];
        device.driver = text(l, "driver");
        device.firmware = text(l, "firmware");
        if (l.contains("speed")) device.speed_mbps = static_cast<std::uint32_t>(number(l, "speed"));
        if (l.contains("duplex")) device.duplex = static_cast<std::uint8_t>(number(l, "duplex"));
        device.negotiated = number(l, "negotiated") != 0;
        int family = AF_INET;
        if (const auto* list = l.if_contains("addresses"))
            for (const auto& a : list->as_array()) {
                const std::string all(a.as_string()), address = all.substr(0, all.find('/'));
                family = address.find(':') == address.npos ? AF_INET : AF_INET6;
                const bool local = address.starts_with("127.") || address == "::1";
                const bool link_only = address.starts_with("fe80:");
                tables.addresses.push_back(
                    {.index = index,
                     .family = static_cast<std::uint8_t>(family),
                     .prefix = static_cast<std::uint8_t>(std::stoi(all.substr(all.find('/') + 1))),
                     .scope = static_cast<std::uint8_t>(local       ? 254
                                                        : link_only ? 253
                                                                    : 0),
                     .flags = 0,
                     .text = address});
            }
        if (l.contains("default"))
            tables.defaults.push_back(
                {AF_INET, index, static_cast<std::uint32_t>(number(l, "default")), std::string()});
    }
    out.tables = [tables] { return tables; };
    out.device = [devices](const std::string& name) { return devices.at(name); };
    return out;
}

}  // namespace

fact_map all_facts(const std::string& folder, const json::object& calls) {
    return facts_below(folder, [&](const sdk::sysroot& root, sdk::probe_run& run) {
        cpu::collect(root, cpu_calls(calls), run);
        memory::collect(root, memory_calls(calls), run);
        os::collect(root, os_calls(calls), run);
        virt::collect(root, virt_calls(calls), run);
        security::collect(root, security_calls(calls), run);
        pci::collect(root, run.facts());
        usb::collect(root, run.facts());
        gpu::collect(root, "", run.facts());
        rdma::collect(root, run);
        storage::collect(root, storage_calls(calls), {text(calls, "work"), "option work_path"}, run);
        network::collect(root, network_calls(calls), run);
    });
}

}  // namespace machines
