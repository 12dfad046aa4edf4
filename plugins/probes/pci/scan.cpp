#include "pci_probe.hpp"

extern "C" {
#include <pci/pci.h>
}

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <tuple>

namespace sigrun::pci {
namespace {

constexpr std::string_view k_names = "/usr/share/misc/pci.ids";
constexpr int k_maker = PCI_LOOKUP_VENDOR | PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;
constexpr int k_lookup = PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;

// The default of libpci prints the text and exits the process.
[[noreturn]] void failed(char* format, ...) {
    char text[256] = {};
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    throw std::runtime_error(text);
}
void say_nothing(char*, ...) {}

struct closer {
    void operator()(pci_access* a) const noexcept {
        try {
            pci_cleanup(a);
        } catch (const std::exception&) {
        }
    }
};

std::string address_of(const pci_dev& d) {
    char text[32];
    std::snprintf(text, sizeof text, "%04x:%02x:%02x.%d", static_cast<unsigned>(d.domain), d.bus, d.dev, d.func);
    return text;
}

function read(pci_access* access, pci_dev& d) {
    function f;
    f.address = address_of(d);
    pci_fill_info(&d, PCI_FILL_IDENT | PCI_FILL_CLASS | PCI_FILL_SUBSYS);
    f.class_id = d.device_class;
    f.vendor_id = d.vendor_id;
    f.device_id = d.device_id;
    if (d.known_fields & PCI_FILL_SUBSYS) {
        f.subsystem_vendor = d.subsys_vendor_id;
        f.subsystem_device = d.subsys_id;
    }
    char room[256];
    if (const char* name = pci_lookup_name(access, room, sizeof room, k_lookup, d.vendor_id, d.device_id))
        f.name = name;
    else if (const char* maker = pci_lookup_name(access, room, sizeof room, k_maker, d.vendor_id))
        f.name = maker;  // a device that is newer than the list
    return f;
}

scan_result all_functions(const sdk::sysroot& root) {
    const std::unique_ptr<pci_access, closer> access(pci_alloc());
    access->error = failed;
    access->warning = say_nothing;
    access->debug = say_nothing;
    access->method = PCI_ACCESS_SYS_BUS_PCI;
    auto folder = root.path_of("/sys/bus/pci"), names = root.path_of(k_names);
    pci_set_param(access.get(), const_cast<char*>("sysfs.path"), folder.data());
    if (!root.live()) pci_set_name_list_path(access.get(), names.data(), 0);
    pci_init(access.get());
    pci_scan_bus(access.get());
    std::vector<pci_dev*> devices;
    for (auto* d = access->devices; d; d = d->next) devices.push_back(d);
    const auto place = [](const pci_dev* d) { return std::tuple(d->domain, d->bus, d->dev, d->func); };
    std::sort(devices.begin(), devices.end(), [&](auto* a, auto* b) { return place(a) < place(b); });
    scan_result out;
    out.count = devices.size();
    // Each costs some files; of 13,000 (util-linux/util-linux#3177) those that no list holds are only counted.
    devices.resize(std::min(devices.size(), k_max_listed));
    for (auto* d : devices) out.functions.push_back(read(access.get(), *d));
    return out;
}

}  // namespace

scan_result scan(const sdk::sysroot& root) {
    scan_result out;
    for (int attempt = 0; attempt < 3; ++attempt) {
        try {
            return all_functions(root);
        } catch (const std::exception& e) {
            out.failure = e.what();  // perhaps a device went away between listing and reading
        }
    }
    return out;
}

}  // namespace sigrun::pci
