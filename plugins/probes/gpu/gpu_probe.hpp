// What the gpu probe finds: cards on the PCI buses, completed by their driver's files and by NVIDIA's library.
#pragma once

#include <sigrun/cpp/probe.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::gpu {

inline constexpr std::size_t k_max_cards = 64;
inline constexpr std::string_view k_nvml = "libnvidia-ml.so.1";

/// A part of a card that is used like one (NVIDIA MIG).
struct card_part {
    std::string uuid;
    std::uint64_t memory_bytes = 0;
};

/// What is not known stays empty, and out of the record.
struct card {
    std::string pci;     // "0000:18:00.0"
    std::string vendor;  // "nvidia", "amd", "intel", or four hexadecimal digits
    std::string uuid, model, driver, driver_version, api, api_version, compute_capability, arch, mig_mode, health;
    std::optional<std::uint64_t> memory_bytes, memory_shared_bytes, clock_hz, pcie_gen, pcie_width, numa_node;
    std::optional<bool> ecc, persistence, is_virtual, usable;
    std::vector<card_part> parts;
    bool asleep = false;  // runtime-suspended: asking its driver would wake it
};

/// Graphics and compute cards on the PCI buses, from sysfs alone. Controllers that only show a screen (of a BMC or of a virtual
/// machine) are none. At most k_max_cards. `unread`, if given, gets the file of a device that could not be read, so that nobody
/// can say what the device is.
std::vector<card> cards_on_bus(const sdk::sysroot& root, sdk::file_text* unread = nullptr);

/// Asks the library `name` about NVIDIA's cards among `cards` that are awake. Where it cannot be asked they are not usable, and
/// their `health` says why. May take seconds, or never return: a driver may hang.
void ask_nvml(const std::string& name, std::vector<card>& cards);

/// `nvml`: empty: a recorded tree, whose machine cannot be asked.
void collect(const sdk::sysroot& root, const std::string& nvml, sdk::fact_writer& facts);

}  // namespace sigrun::gpu
