// What the memory modules are, where firmware tells and the process may ask. Never guessed: a virtual machine
// has no "DDR4".
#include "memory_probe.hpp"

#include <sigrun/cpp/dmi.hpp>

#include <set>

namespace sigrun::memory {
namespace {

constexpr std::size_t k_max_controllers = 64, k_max_modules = 256, k_max_regions = 64;

/// Channels with a module in them, from "channel 0 slot 1 " of each module the controllers' driver (EDAC) knows.
void channels(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const std::string folder = "/sys/devices/system/edac/mc";
    std::set<std::string> seen;
    std::size_t controllers = 0;
    for (const auto& controller : root.list(folder)) {
        if (!controller.starts_with("mc") || ++controllers > k_max_controllers) continue;
        std::size_t modules = 0;
        for (const auto& module : root.list(folder + "/" + controller)) {
            const bool one = module.starts_with("dimm") || module.starts_with("rank");
            if (!one || ++modules > k_max_modules) continue;
            const auto location = root.read(folder + "/" + controller + "/" + module + "/dimm_location", 256);
            const auto w = sdk::words(location.text);
            for (std::size_t i = 0; i + 1 < w.size(); ++i)
                if (w[i] == "channel" && sdk::parse_u64(w[i + 1]))
                    seen.insert(controller + " " + std::string(w[i + 1]));
        }
    }
    if (!seen.empty()) return facts.ok("memory.channels", seen.size(), {.source = folder, .method = "derived"});
    facts.none("memory.channels", "unsupported", {.source = folder, .detail = "no driver tells"});
}

/// Persistent memory: the regions of the NVDIMM bus.
void nvdimm(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const std::string folder = "/sys/bus/nd/devices";
    std::vector<sdk::record> regions;
    for (const auto& name : root.list(folder)) {
        if (!name.starts_with("region") || regions.size() == k_max_regions) continue;
        const auto file = [&](const char* what) { return root.read(folder + "/" + name + "/" + what, 256); };
        const auto size = sdk::parse_u64(file("size").text);
        if (!size) continue;
        sdk::record region;
        region.add("name", std::string_view(name).substr(0, 32)).add("size_bytes", *size);
        if (const auto type = file("devtype"); !type.trim().empty()) region.add("type", type.trim());
        if (const auto node = sdk::parse_i64(file("numa_node").text); node && *node >= 0)
            region.add("numa_node", *node);
        if (const auto ro = sdk::parse_u64(file("read_only").text); ro && *ro <= 1) region.add("readonly", *ro == 1);
        regions.push_back(region);
    }
    if (!regions.empty()) return facts.ok("memory.nvdimm", sdk::records(regions), {.source = folder});
    facts.none("memory.nvdimm", "absent", {.source = folder, .detail = "no persistent memory"});
}

}  // namespace

void read_modules(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto table = root.read("/sys/firmware/dmi/tables/DMI");
    const auto dmi = table ? sdk::parse_dmi_memory(table.text) : sdk::dmi_memory{};
    const sdk::fact_info info{.source = "/sys/firmware/dmi/tables/DMI"};
    const auto none = [&](std::string_view key, std::string_view why) {
        auto about = info;
        about.detail = why;
        // Without a table nobody can tell, which is not the same as "has none".
        if (table.status == sdk::read_status::absent || table)
            facts.none(key, "unsupported", about);
        else
            facts.missing(key, table, info, "");
    };
    const std::string_view why = table ? "firmware does not say" : "no SMBIOS table";
    dmi.type.empty() ? none("memory.type", why) : facts.ok("memory.type", dmi.type, info);
    dmi.speed ? facts.ok("memory.speed_mtps", *dmi.speed, info) : none("memory.speed_mtps", why);
    dmi.ecc ? facts.ok("memory.ecc", *dmi.ecc, info) : none("memory.ecc", why);
    channels(root, facts);
    nvdimm(root, facts);
}

}  // namespace sigrun::memory
