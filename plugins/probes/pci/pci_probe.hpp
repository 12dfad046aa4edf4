// What the pci probe finds: the functions on the PCI buses, by libpci, completed from sysfs.
#pragma once

#include <sigrun/cpp/probe.hpp>

#include <string>
#include <vector>

namespace sigrun::pci {

inline constexpr std::size_t k_max_listed = 512;  // described one by one; the others are only counted

/// One function of a device, as its configuration space says.
struct function {
    std::string address;  // "0000:00:1f.2"
    unsigned class_id = 0, vendor_id = 0, device_id = 0;
    unsigned subsystem_vendor = 0, subsystem_device = 0;  // 0: it has none
    std::string name;  // of vendor and device, or of the vendor; empty: not in the list of names
};
struct scan_result {
    std::vector<function> functions;  // the first k_max_listed, by address
    std::size_t count = 0;            // of all
    std::string failure;              // what libpci said; empty: it went well
};

/// Every function below the sysroot. libpci ends the process on some errors, so this runs where that may happen.
scan_result scan(const sdk::sysroot& root);

void collect(const sdk::sysroot& root, sdk::fact_writer& facts);

}  // namespace sigrun::pci
