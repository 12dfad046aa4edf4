// Which machine it is: identity, firmware, architecture.
#include "os_probe.hpp"

namespace sigrun::os {
namespace {

/// Names of SMBIOS chassis types that matter to a fleet; others are reported by number.
std::string chassis_name(std::uint64_t code) {
    switch (code) {
        case 1: return "other";
        case 3: return "desktop";
        case 4: return "low-profile-desktop";
        case 7: return "tower";
        case 8: return "portable";
        case 9: return "laptop";
        case 10: return "notebook";
        case 13: return "all-in-one";
        case 17: return "server";
        case 23: return "rack-mount";
        case 28: return "blade";
        case 35: return "mini-pc";
        default: return "type-" + std::to_string(code);
    }
}

std::string_view byte_order_of(std::string_view machine) {
    for (std::string_view little : {"x86_64", "aarch64", "riscv64", "loongarch64", "ppc64le", "i686", "i386", "armv7l"})
        if (machine == little) return "little";
    for (std::string_view big : {"s390x", "ppc64", "aarch64_be"})
        if (machine == big) return "big";
    return {};
}

void timezone(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto link = root.link("/etc/localtime");
    if (const auto at = link.text.find("zoneinfo/"); link && at != link.text.npos)
        return facts.ok("host.timezone", link.text.substr(at + 9), {.source = link.path});
    text_file(root, facts, "host.timezone", "/etc/timezone");
}

/// Boards without SMBIOS: "raspberrypi,4-model-b" and "Raspberry Pi 4 Model B Rev 1.4" of the device tree.
void board(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto first_of = [&](std::string_view name) {
        const auto file = root.read("/proc/device-tree/" + std::string(name), 4096);
        return std::string(sdk::trimmed(std::string_view(file.text).substr(0, file.text.find('\0'))));
    };
    const bool smbios = root.probe("/sys/class/dmi/id") == sdk::read_status::ok;
    const std::string product = smbios ? std::string() : first_of("model");
    const std::string compatible = smbios ? std::string() : first_of("compatible");
    const auto comma = compatible.find(',');
    if (comma != compatible.npos && comma > 0)
        facts.ok("host.vendor", compatible.substr(0, comma),
                 {.source = "/proc/device-tree/compatible", .method = "derived"});
    else
        text_file(root, facts, "host.vendor", "/sys/class/dmi/id/sys_vendor");
    if (!product.empty())
        facts.ok("host.product", product, {.source = "/proc/device-tree/model"});
    else
        text_file(root, facts, "host.product", "/sys/class/dmi/id/product_name");
}

}  // namespace

void read_host(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    text_file(root, facts, "host.id", "/etc/machine-id", {.volatility = "static", .unique = true});
    text_file(root, facts, "host.boot_id", "/proc/sys/kernel/random/boot_id", {.unique = true});
    const auto stat = root.read("/proc/stat");
    std::optional<std::uint64_t> boot_time;
    std::string_view rest = stat.text, line;
    while (!boot_time && sdk::next_line(rest, line))
        if (sdk::next_word(line) == "btime") boot_time = sdk::parse_u64(line);
    // Slow, not boot: the kernel computes it from the wall clock, which is corrected while it runs.
    facts.parsed("host.boot_time_s", boot_time, stat, {.volatility = "slow", .unique = true});

    board(root, facts);
    for (const auto& [key, name] :
         {std::pair{"host.board", "board_name"}, std::pair{"host.bios_version", "bios_version"}})
        text_file(root, facts, key, std::string("/sys/class/dmi/id/") + name);
    const auto chassis = root.read("/sys/class/dmi/id/chassis_type", 64);
    const auto code = sdk::parse_u64(chassis.text);
    if (code == 2u)  // SMBIOS has a number for it
        facts.none("host.chassis", "absent", {.source = chassis.path, .detail = "unknown to the firmware"});
    else
        facts.parsed("host.chassis", code && *code > 0 ? std::optional(chassis_name(*code)) : std::nullopt, chassis,
                     {});

    const std::string machine = calls.machine ? calls.machine() : std::string();
    if (!machine.empty())
        facts.ok("host.arch", machine, {.source = "uname", .volatility = "static"});
    else
        text_file(root, facts, "host.arch", "/proc/sys/kernel/arch", {.volatility = "static"});
    const auto order = root.read("/sys/kernel/cpu_byteorder", 64);
    if (!order && !byte_order_of(machine).empty())
        facts.ok("host.byte_order", byte_order_of(machine),
                 {.source = "uname", .method = "derived", .volatility = "static"});
    else
        facts.maybe("host.byte_order", order && !order.trim().empty() ? std::optional(order.trim()) : std::nullopt,
                    order, {.volatility = "static"});
    text_file(root, facts, "host.hostname", "/proc/sys/kernel/hostname", {.unique = true});
    timezone(root, facts);
}

}  // namespace sigrun::os
