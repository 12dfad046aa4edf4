// The cards as sysfs shows them: which there are, and what amdgpu, i915 and xe tell of theirs.
#include "gpu_probe.hpp"

#include <sigrun/cpp/procfs.hpp>

#include <algorithm>

namespace sigrun::gpu {
namespace {

constexpr std::string_view k_devices = "/sys/bus/pci/devices/";
constexpr std::uint64_t k_vga = 0x0300, k_3d = 0x0302, k_display = 0x0380, k_accelerator = 0x1200;

std::optional<std::uint64_t> hex(std::string_view text) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    if (text.empty() || text.size() > 8) return std::nullopt;
    std::uint64_t n = 0;
    for (const char c : text) {
        const auto digit = std::string_view("0123456789abcdef").find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        n = n * 16 + digit;
    }
    return n;
}

std::string vendor_name(std::uint64_t id, std::string_view text) {
    switch (id) {
        case 0x10de: return "nvidia";
        case 0x1002: return "amd";
        case 0x8086: return "intel";
        default: return std::string(text.starts_with("0x") ? text.substr(2) : text);
    }
}

bool computes(std::uint64_t class_id, std::uint64_t vendor) {
    if (class_id == k_3d || class_id == k_accelerator) return true;
    if (class_id != k_vga && class_id != k_display) return false;
    return vendor == 0x10de || vendor == 0x1002 || vendor == 0x8086;
}

/// "16.0 GT/s PCIe" -> 4: the rates of PCI Express Base Specification 6.0, one a generation.
std::optional<std::uint64_t> generation_of(std::string_view speed) {
    constexpr std::string_view k_rates[] = {"2.5", "5.0", "8.0", "16.0", "32.0", "64.0"};
    for (std::size_t i = 0; i < std::size(k_rates); ++i)
        if (speed.starts_with(k_rates[i])) return i + 1;
    return std::nullopt;
}

struct device_files {
    const sdk::sysroot& root;
    std::string folder;
    std::string text(std::string_view name) const {
        return std::string(root.read(folder + std::string(name), 256).trim());
    }
    std::optional<std::uint64_t> number(std::string_view name) const { return sdk::parse_u64(text(name)); }
};

/// i915 keeps the clock at the card, xe at the device: one for each unit, of which the first is for graphics and compute.
std::optional<std::uint64_t> intel_clock(const device_files& at) {
    for (const auto& name : at.root.list(at.folder + "drm")) {
        if (!name.starts_with("card")) continue;
        if (const auto mhz = at.number("drm/" + name + "/gt_max_freq_mhz")) return *mhz * 1'000'000;
    }
    if (const auto mhz = at.number("tile0/gt0/freq0/max_freq")) return *mhz * 1'000'000;
    return std::nullopt;
}

void complete(card& c, const device_files& at) {
    if (c.vendor == "amd") {
        c.memory_bytes = at.number("mem_info_vram_total");
        c.memory_shared_bytes = at.number("mem_info_gtt_total");
        if (const auto id = at.text("unique_id"); !id.empty()) c.uuid = id;
        if (const auto name = at.text("product_name"); !name.empty()) c.model = name;
    }
    if (c.vendor == "intel") c.clock_hz = intel_clock(at);
    const auto version = at.root.read("/sys/module/" + c.driver + "/version", 256);
    if (!c.driver.empty() && version) c.driver_version = version.trim();
}

}  // namespace

std::vector<card> cards_on_bus(const sdk::sysroot& root, sdk::file_text* unread) {
    std::vector<card> out;
    for (const auto& address : root.list(k_devices)) {
        const device_files at{root, std::string(k_devices) + address + "/"};
        const auto class_file = root.read(at.folder + "class", 256);
        const auto class_id = hex(class_file.trim());
        const auto vendor = hex(at.text("vendor"));
        if (!class_file && class_file.status != sdk::read_status::absent && unread) *unread = class_file;
        if (!class_id || !vendor || !computes(*class_id >> 8, *vendor)) continue;
        card c;
        c.pci = address;
        c.vendor = vendor_name(*vendor, at.text("vendor"));
        const auto driver = root.link(at.folder + "driver");
        if (driver) c.driver = driver.text.substr(driver.text.rfind('/') + 1);
        c.numa_node = at.number("numa_node");  // -1 is not a number here: none was told
        c.pcie_gen = generation_of(at.text("max_link_speed"));
        if (c.pcie_gen) c.pcie_width = at.number("max_link_width");
        if (root.probe(at.folder + "physfn") == sdk::read_status::ok) c.is_virtual = true;
        c.asleep = at.text("power/runtime_status") == "suspended";
        complete(c, at);
        out.push_back(std::move(c));
        if (out.size() == k_max_cards) break;
    }
    return out;
}

}  // namespace sigrun::gpu
