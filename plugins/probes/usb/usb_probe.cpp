#include "usb_probe.hpp"

namespace sigrun::usb {
namespace {

const std::string k_devices = "/sys/bus/usb/devices";
constexpr std::size_t k_max_devices = 256, k_max_name = 128;

/// Four (or two) hexadecimal digits as the kernel writes them.
std::optional<std::string> digits(const sdk::file_text& file, std::size_t n) {
    const auto text = file.trim();
    const bool hex = text.size() == n && std::all_of(text.begin(), text.end(), [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                     });
    return hex ? std::optional(std::string(text)) : std::nullopt;
}

/// Names of the classes that the USB forum has given out; a code without a name stays a code.
std::string class_name(const std::string& code) {
    constexpr std::pair<std::string_view, std::string_view> k_names[] = {{"01", "audio"},
                                                                         {"02", "communications"},
                                                                         {"03", "hid"},
                                                                         {"05", "physical"},
                                                                         {"06", "image"},
                                                                         {"07", "printer"},
                                                                         {"08", "mass-storage"},
                                                                         {"09", "hub"},
                                                                         {"0a", "cdc-data"},
                                                                         {"0b", "smart-card"},
                                                                         {"0d", "content-security"},
                                                                         {"0e", "video"},
                                                                         {"0f", "healthcare"},
                                                                         {"10", "audio-video"},
                                                                         {"11", "billboard"},
                                                                         {"12", "type-c-bridge"},
                                                                         {"dc", "diagnostic"},
                                                                         {"e0", "wireless"},
                                                                         {"ef", "miscellaneous"},
                                                                         {"fe", "application"},
                                                                         {"ff", "vendor"}};
    for (const auto& [number, name] : k_names)
        if (code == number) return std::string(name);
    return code;
}

/// The device's class, or that of its first interface where the device leaves it to them (00, and ef for several functions).
std::optional<std::string> class_of(const sdk::sysroot& root, const std::string& device,
                                    const std::vector<std::string>& entries) {
    const auto own = digits(root.read(k_devices + "/" + device + "/bDeviceClass", 64), 2);
    if (own && *own != "00" && *own != "ef") return class_name(*own);
    for (auto at = std::lower_bound(entries.begin(), entries.end(), device + ":"); at != entries.end(); ++at) {
        if (!at->starts_with(device + ":")) break;
        if (const auto code = digits(root.read(k_devices + "/" + *at + "/bInterfaceClass", 64), 2))
            return class_name(*code);
    }
    return own && *own == "ef" ? std::optional(class_name(*own)) : std::nullopt;
}

/// Nothing: it is gone.
std::optional<sdk::record> read_device(const sdk::sysroot& root, const std::string& device,
                                       const std::vector<std::string>& entries) {
    const auto folder = k_devices + "/" + device;
    const auto vendor = root.read(folder + "/idVendor", 64);
    const auto product = root.read(folder + "/idProduct", 64);
    const auto name = root.read(folder + "/product", 4096);
    const auto class_text = class_of(root, device, entries);
    // Looked at last: what goes between two files is gone.
    if (!vendor || root.probe(folder + "/idVendor") == sdk::read_status::absent) return std::nullopt;
    sdk::record out;
    if (class_text) out.add("class", *class_text);
    if (const auto id = digits(vendor, 4)) out.add("vendor_id", *id);
    if (const auto id = digits(product, 4)) out.add("device_id", *id);
    if (!name.trim().empty()) out.add("name", name.trim().substr(0, k_max_name));
    return out;
}

bool is_device(const std::string& entry) { return entry.find(':') == entry.npos; }

}  // namespace

void collect(const sdk::sysroot& root, sdk::fact_writer& facts, const std::function<void()>& between) {
    const sdk::fact_info info{.source = k_devices, .volatility = "slow", .ttl_s = 60};
    const auto neither = [&](std::string_view status, std::string_view why) {
        auto about = info;
        about.detail = why;
        facts.none("usb.count", status, about);
        facts.none("usb", status, about);
    };
    if (const auto there = root.probe(k_devices); there != sdk::read_status::ok)
        return neither(sdk::fact_writer::word(there), "no USB in this kernel, or not visible");
    std::vector<sdk::record> devices;
    auto entries = root.list(k_devices);
    for (int again = 0; again <= 2; ++again) {
        devices.clear();
        const auto count = static_cast<std::size_t>(std::count_if(entries.begin(), entries.end(), is_device));
        if (count > k_max_devices) return neither("error", "more than 256 devices");
        for (const auto& entry : entries) {
            if (!is_device(entry)) continue;
            if (auto device = read_device(root, entry, entries)) devices.push_back(std::move(*device));
        }
        if (between) between();
        auto now = root.list(k_devices);
        if (now == entries) break;
        entries = std::move(now);
    }
    facts.ok("usb.count", devices.size(), info);
    facts.ok("usb", sdk::records(devices), info);
}

}  // namespace sigrun::usb
