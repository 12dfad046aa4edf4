#include "block_kind.hpp"

#include <utility>

namespace sigrun::storage {
namespace {

bool digits(std::string_view text) noexcept {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

/// The component of a path that is `name` and a number: "usb2", "ata1".
std::string_view numbered(std::string_view path, std::string_view name) noexcept {
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto part = path.substr(0, slash);
        if (part.starts_with(name) && digits(part.substr(name.size()))) return part;
        path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
    }
    return {};
}

// Disks that a hypervisor makes up, by what they call themselves.
constexpr std::string_view k_made_up[] = {"QEMU",   "VMware",  "VBOX",    "Msft", "Google",
                                          "XENSRC", "NUTANIX", "Virtual", "BHYVE"};

}  // namespace

std::string_view block_kind(const block_place& place) noexcept {
    static constexpr std::pair<std::string_view, std::string_view> k_names[] = {
        {"loop", "loop"},  {"ram", "ram"},     {"zram", "zram"},    {"dm-", "mapped"},  {"bcache", "mapped"},
        {"zd", "mapped"},  {"md", "raid"},     {"nbd", "network"},  {"rbd", "network"}, {"drbd", "network"},
        {"sr", "optical"}, {"fd", "floppy"},   {"mmcblk", "mmc"},   {"nvme", "nvme"},   {"pmem", "pmem"},
        {"vd", "virtual"}, {"xvd", "virtual"}, {"ublkb", "virtual"}};
    for (const auto& [prefix, kind] : k_names)
        if (place.name.starts_with(prefix)) return kind;
    if (!numbered(place.device, "usb").empty()) return "usb";
    for (auto word : k_made_up)
        if (place.vendor.starts_with(word) || place.model.starts_with(word)) return "virtual";
    if (place.device.find("/virtio") != place.device.npos) return "virtual";
    if (place.device.find("devices/virtual/") != place.device.npos) return "virtual";
    return {};
}

std::string_view block_transport(std::string_view device) noexcept {
    if (!numbered(device, "usb").empty()) return "usb";
    if (device.find("/end_device-") != device.npos) return "sas";
    if (device.find("/rport-") != device.npos) return "fc";
    if (!numbered(device, "session").empty()) return "iscsi";
    if (!numbered(device, "virtio").empty()) return "virtio";
    if (!numbered(device, "ata").empty()) return "ata";
    if (device.find("/vbd-") != device.npos) return "xen";
    if (device.find("/vmbus") != device.npos || device.find("/VMBUS") != device.npos) return "vmbus";
    if (device.find("/mmc_host/") != device.npos) return "mmc";
    return {};
}

std::string_view scsi_host(std::string_view device) noexcept { return numbered(device, "host"); }

}  // namespace sigrun::storage
