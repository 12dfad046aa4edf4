#include "gpu_probe.hpp"

#include <algorithm>

namespace sigrun::gpu {
namespace {

template <class T>
void add(sdk::record& r, std::string_view name, const std::optional<T>& value) {
    if (value) r.add(name, *value);
}
void add(sdk::record& r, std::string_view name, const std::string& text) {
    if (!text.empty()) r.add(name, text);
}

sdk::record record_of(const card& c) {
    sdk::record r;
    r.add("vendor", c.vendor).add("pci", c.pci);
    add(r, "model", c.model);
    add(r, "uuid", c.uuid);
    add(r, "memory_bytes", c.memory_bytes);
    add(r, "memory_shared_bytes", c.memory_shared_bytes);
    add(r, "driver", c.driver);
    add(r, "driver_version", c.driver_version);
    add(r, "api", c.api);
    add(r, "api_version", c.api_version);
    add(r, "compute_capability", c.compute_capability);
    add(r, "arch", c.arch);
    add(r, "clock_hz", c.clock_hz);
    add(r, "pcie_gen", c.pcie_gen);
    add(r, "pcie_width", c.pcie_width);
    add(r, "numa_node", c.numa_node);
    add(r, "mig_mode", c.mig_mode);
    if (!c.parts.empty()) {
        std::vector<sdk::record> parts;
        for (const auto& p : c.parts) {
            parts.emplace_back();
            add(parts.back(), "uuid", p.uuid);
            parts.back().add("memory_bytes", p.memory_bytes);
        }
        r.add("mig", sdk::records(parts));
    }
    add(r, "ecc", c.ecc);
    add(r, "persistence", c.persistence);
    add(r, "virtual", c.is_virtual);
    add(r, "usable", c.usable);
    add(r, "health", c.health);
    return r;
}

}  // namespace

void collect(const sdk::sysroot& root, const std::string& nvml, sdk::fact_writer& facts) {
    constexpr std::string_view k_bus = "/sys/bus/pci/devices";
    if (const auto bus = root.probe(k_bus); bus != sdk::read_status::ok) {
        for (auto key : {"gpu.count", "gpu.vendors", "gpu"})
            facts.none(key, sdk::fact_writer::word(bus), {.source = k_bus, .detail = "this machine shows no PCI bus"});
        return;
    }
    sdk::file_text unread;
    auto cards = cards_on_bus(root, &unread);
    if (!unread.path.empty()) {
        for (auto key : {"gpu.count", "gpu.vendors", "gpu"}) facts.missing(key, unread, {}, "");
        return;
    }
    const bool ask = !nvml.empty() && std::any_of(cards.begin(), cards.end(),
                                                  [](const card& c) { return c.vendor == "nvidia" && !c.asleep; });
    if (ask) ask_nvml(nvml, cards);
    std::vector<sdk::record> list;
    std::vector<std::string> vendors;
    std::string detail;
    for (const auto& c : cards) {
        list.push_back(record_of(c));
        vendors.push_back(c.vendor);
        if (c.asleep) detail += (detail.empty() ? "" : ", ") + c.pci + " sleeps and was not woken";
    }
    const sdk::fact_info info{.source = ask ? "sysfs, NVML" : "sysfs", .volatility = "slow", .detail = detail};
    facts.ok("gpu.count", cards.size(), info);
    facts.ok("gpu.vendors", vendors, info);
    facts.ok("gpu", sdk::records(list), info);
}

}  // namespace sigrun::gpu
