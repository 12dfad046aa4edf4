// What the memory modules are, where firmware tells and the process may ask. Never guessed: a virtual machine
// has no "DDR4".
#include "memory_probe.hpp"

#include <sigrun/cpp/dmi.hpp>

namespace sigrun::memory {

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
}

}  // namespace sigrun::memory
