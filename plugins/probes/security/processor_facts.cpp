// Known weaknesses of the processor, as the kernel judges them.
#include "security_probe.hpp"

namespace sigrun::security {
namespace {

constexpr std::size_t k_max_entries = 128, k_max_text = 256;

}  // namespace

void read_processor(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const std::string folder = "/sys/devices/system/cpu/vulnerabilities";
    const auto names = root.list(folder);
    const sdk::fact_info info{.source = folder};
    const auto neither = [&](std::string_view status, std::string_view why) {
        for (std::string_view key : {"sec.vulnerable", "sec.mitigations"})
            facts.none(key, status, {.source = folder, .detail = why});
    };
    if (names.empty()) {
        const auto there = root.probe(folder);
        return neither(there == sdk::read_status::ok ? "absent" : sdk::fact_writer::word(there),
                       "the kernel does not tell");
    }
    if (names.size() > k_max_entries) return neither("error", "more entries than any kernel has");
    std::vector<std::string> vulnerable, mitigations;
    for (const auto& name : names) {
        const auto file = root.read(folder + "/" + name, 4096);
        if (file.status == sdk::read_status::absent) continue;
        // Without one of them the sets would claim that it is no weakness.
        if (!file || file.trim().empty())
            return neither(file ? "error" : sdk::fact_writer::word(file.status), file.path);
        auto text = file.trim();
        if (text.starts_with("KVM: ")) text.remove_prefix(5);
        // Also in a part: "Mitigation: Retpolines; BHI: Vulnerable".
        if (text.find("Vulnerable") != text.npos || text.starts_with("Processor vulnerable"))
            vulnerable.push_back(name);
        constexpr std::string_view k_mitigation = "Mitigation: ";
        if (text.starts_with(k_mitigation))
            mitigations.push_back(name + "=" + std::string(text.substr(k_mitigation.size(), k_max_text)));
    }
    facts.ok("sec.vulnerable", vulnerable, info);
    facts.ok("sec.mitigations", mitigations, info);
}

}  // namespace sigrun::security
