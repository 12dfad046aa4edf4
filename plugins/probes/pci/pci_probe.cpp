#include "pci_probe.hpp"

#include <sigrun/cpp/procfs.hpp>

#include <cstdio>

namespace sigrun::pci {
namespace {

constexpr std::size_t k_most_bytes = 60 * 1024;  // of the list; a fact holds 64 KiB

std::string hex(unsigned id) {
    char text[16];
    std::snprintf(text, sizeof text, "%04x", id);
    return text;
}

/// "8.0 GT/s PCIe" -> 3. The rates of PCI Express Base Specification 6.0, one a generation.
std::optional<unsigned> generation_of(std::string_view speed) {
    constexpr std::string_view k_rates[] = {"2.5", "5.0", "8.0", "16.0", "32.0", "64.0"};
    const auto rate = speed.substr(0, speed.find(' '));
    for (unsigned i = 0; i < std::size(k_rates); ++i)
        if (rate == k_rates[i] || rate == k_rates[i].substr(0, k_rates[i].find(".0"))) return i + 1;
    return std::nullopt;
}

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }

sdk::record described(const sdk::sysroot& root, const function& f) {
    const std::string folder = "/sys/bus/pci/devices/" + f.address + "/";
    sdk::record r;
    r.add("address", f.address)
        .add("class", hex(f.class_id))
        .add("vendor_id", hex(f.vendor_id))
        .add("device_id", hex(f.device_id));
    if (f.subsystem_vendor) r.add("subsystem", hex(f.subsystem_vendor) + ":" + hex(f.subsystem_device));
    if (!f.name.empty()) r.add("name", f.name);
    const auto linked = [&](const char* member, const char* file) {
        const auto link = root.link(folder + file);
        if (!link || link.text.empty()) return;
        const auto name = last_part(link.text);
        if (std::string_view(member) != "iommu_group")
            r.add(member, name);
        else if (const auto number = sdk::parse_u64(name))
            r.add(member, *number);
    };
    const auto number = [&](const char* member, const char* file) {
        if (const auto n = sdk::parse_u64(root.read(folder + file, 64).trim())) r.add(member, *n);
    };
    linked("driver", "driver");
    linked("iommu_group", "iommu_group");
    number("numa_node", "numa_node");  // -1: none was told
    number("sriov_total", "sriov_totalvfs");
    number("sriov_used", "sriov_numvfs");
    if (const auto gen = generation_of(root.read(folder + "current_link_speed", 64).trim())) {
        r.add("link_gen", *gen);
        number("link_width", "current_link_width");
    }
    return r;
}

}  // namespace

void collect(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto bus = root.probe("/sys/bus/pci/devices");
    if (bus != sdk::read_status::ok) {
        const sdk::fact_info why{.source = "/sys/bus/pci/devices", .detail = "this machine shows no PCI bus"};
        for (auto key : {"pci.count", "pci"}) facts.none(key, sdk::fact_writer::word(bus), why);
        return;
    }
    const auto found = scan(root);
    sdk::fact_info info{.source = "libpci", .volatility = "slow"};
    if (!found.failure.empty()) {
        info.detail = found.failure;
        for (auto key : {"pci.count", "pci"}) facts.none(key, "error", info);
        return;
    }
    facts.ok("pci.count", found.count, info);
    std::vector<sdk::record> list;
    std::size_t bytes = 0;
    for (const auto& f : found.functions) {
        auto one = described(root, f);
        bytes += one.json().size() + 1;
        if (bytes > k_most_bytes) break;
        list.push_back(std::move(one));
    }
    std::string detail;
    if (list.size() < found.count)
        detail = "the first " + std::to_string(list.size()) + " of " + std::to_string(found.count);
    info.detail = detail;
    facts.ok("pci", sdk::records(list), info);
}

}  // namespace sigrun::pci
