// Which processor it is and which instructions may be used: /proc/cpuinfo and CPUID.
#include "cpu_probe.hpp"

namespace sigrun::cpu {
namespace {

using sdk::fact_info;
using sdk::field;
constexpr std::string_view k_cpuinfo = "/proc/cpuinfo";

/// The first processor's paragraph: on large machines the file is far larger than what is needed.
std::string_view first_processor(std::string_view text) { return text.substr(0, text.find("\n\n")); }

/// "0x41" of an arm kernel; the numbers are ARM's list of implementers.
std::optional<std::string> arm_vendor(std::string_view text) {
    constexpr std::pair<std::string_view, std::string_view> k_known[] = {
        {"0x41", "ARM"},    {"0x42", "Broadcom"}, {"0x43", "Cavium"},   {"0x46", "Fujitsu"}, {"0x48", "HiSilicon"},
        {"0x4e", "NVIDIA"}, {"0x50", "APM"},      {"0x51", "Qualcomm"}, {"0x61", "Apple"},   {"0xc0", "Ampere"}};
    const auto code = field(text, "CPU implementer");
    if (!code) return std::nullopt;
    for (const auto& [number, name] : k_known)
        if (number == *code) return std::string(name);
    return std::string(*code);
}

/// Arm kernels tell a number for each design; the names are those that lscpu prints.
std::string_view arm_design(std::string_view implementer, std::string_view part) {
    struct design {
        std::string_view implementer, part, name;
    };
    constexpr design k_known[] = {
        {"0x41", "0xd03", "Cortex-A53"},       {"0x41", "0xd04", "Cortex-A35"},   {"0x41", "0xd05", "Cortex-A55"},
        {"0x41", "0xd07", "Cortex-A57"},       {"0x41", "0xd08", "Cortex-A72"},   {"0x41", "0xd09", "Cortex-A73"},
        {"0x41", "0xd0a", "Cortex-A75"},       {"0x41", "0xd0b", "Cortex-A76"},   {"0x41", "0xd0c", "Neoverse-N1"},
        {"0x41", "0xd0d", "Cortex-A77"},       {"0x41", "0xd40", "Neoverse-V1"},  {"0x41", "0xd41", "Cortex-A78"},
        {"0x41", "0xd44", "Cortex-X1"},        {"0x41", "0xd46", "Cortex-A510"},  {"0x41", "0xd47", "Cortex-A710"},
        {"0x41", "0xd48", "Cortex-X2"},        {"0x41", "0xd49", "Neoverse-N2"},  {"0x41", "0xd4a", "Neoverse-E1"},
        {"0x41", "0xd4d", "Cortex-A715"},      {"0x41", "0xd4e", "Cortex-X3"},    {"0x41", "0xd4f", "Neoverse-V2"},
        {"0x41", "0xd80", "Cortex-A520"},      {"0x41", "0xd81", "Cortex-A720"},  {"0x41", "0xd84", "Neoverse-V3"},
        {"0x43", "0x0af", "ThunderX2-99xx"},   {"0x46", "0x001", "A64FX"},        {"0x48", "0xd01", "TaiShan-v110"},
        {"0x61", "0x022", "Icestorm-M1"},      {"0x61", "0x023", "Firestorm-M1"}, {"0x61", "0x024", "Icestorm-M1-Pro"},
        {"0x61", "0x025", "Firestorm-M1-Pro"}, {"0x61", "0x032", "Blizzard-M2"},  {"0x61", "0x033", "Avalanche-M2"},
        {"0xc0", "0xac3", "Ampere-1"},         {"0xc0", "0xac4", "Ampere-1a"}};
    for (const auto& d : k_known)
        if (d.implementer == implementer && d.part == part) return d.name;
    return {};
}

/// The designs of all processors in the order in which they come: "Icestorm-M1 + Firestorm-M1".
std::optional<std::string> arm_model(std::string_view text) {
    std::vector<std::string_view> seen;
    std::string_view implementer, line;
    while (sdk::next_line(text, line)) {
        if (const auto value = field(line, "CPU implementer")) implementer = *value;
        const auto part = field(line, "CPU part");
        if (!part) continue;
        const auto name = arm_design(implementer, *part);
        if (name.empty()) return std::nullopt;
        if (std::find(seen.begin(), seen.end(), name) == seen.end()) seen.push_back(name);
    }
    std::string all;
    for (auto name : seen) (all += all.empty() ? "" : " + ") += name;
    return all.empty() ? std::nullopt : std::optional(all);
}

/// What an architecture calls the model in its own way: "POWER9, altivec supported", "sifive,u74-mc".
std::optional<std::string> model_of(std::string_view all) {
    const auto text = first_processor(all);
    if (const auto name = field(text, "model name")) return std::string(*name);
    if (const auto name = field(text, "cpu"))
        if (name->starts_with("POWER")) return std::string(name->substr(0, name->find_first_of(", (")));
    if (const auto name = field(text, "uarch")) return std::string(*name);
    return arm_model(all);
}

void number(sdk::fact_writer& facts, const sdk::file_text& file, std::string_view text, std::string_view key,
            std::string_view name) {
    const auto value = field(text, name);
    const fact_info info{.source = k_cpuinfo, .volatility = "static"};
    if (!value) return facts.missing(key, file, info, "the kernel does not tell on this architecture");
    if (const auto n = sdk::parse_u64(*value)) return facts.ok(key, *n, info);
    facts.none(key, "error", {.source = k_cpuinfo, .volatility = "static", .detail = "not a number"});
}

void read_features(const machine_calls& calls, const sdk::file_text& file, std::string_view text,
                   sdk::fact_writer& facts) {
    auto names = usable_features(calls);
    std::string_view source = "cpuid:1,7,80000001 xgetbv:0";
    const bool x86 = names || field(text, "flags");
    if (!names) {
        auto line = field(text, "flags");
        if (!line) line = field(text, "Features");
        if (!line) line = field(text, "features");  // s390x
        source = k_cpuinfo;
        if (line) {
            names.emplace();
            for (auto w : sdk::words(*line)) names->emplace_back(w);
        }
    }
    const fact_info missing{.source = k_cpuinfo, .volatility = "static"};
    if (!names) {
        facts.missing("cpu.features", file, missing, "no feature list");
        facts.missing("cpu.isa_level", file, missing, "no feature list");
        return;
    }
    // The kernel's list is the fallback: it hides what it did not enable, but a recorder may have edited it.
    const unsigned confidence = source == k_cpuinfo ? 90u : 100u;
    facts.ok("cpu.features", *names, {.source = source, .volatility = "static", .confidence = confidence});
    const auto level = isa_level(*names);
    const fact_info derived{
        .source = "cpu.features", .method = "derived", .volatility = "static", .confidence = confidence};
    if (!x86)
        facts.none("cpu.isa_level", "unsupported",
                   {.source = "cpu.features", .volatility = "static", .detail = "levels are defined for x86-64 only"});
    else if (level.empty())
        facts.none("cpu.isa_level", "absent",
                   {.source = "cpu.features", .volatility = "static", .detail = "below x86-64-v1"});
    else
        facts.ok("cpu.isa_level", level, derived);
}

}  // namespace

void read_identity(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    const auto file = root.read_head(k_cpuinfo, 64 * 1024);
    const auto text = first_processor(file.text);
    const fact_info info{.source = k_cpuinfo, .volatility = "static"};

    std::optional<std::string> vendor;
    if (auto v = field(text, "vendor_id")) vendor = std::string(*v);
    if (!vendor) vendor = arm_vendor(text);
    facts.maybe("cpu.vendor", vendor, file, info);
    facts.maybe("cpu.model", model_of(file.text), file, info);
    facts.maybe("cpu.microcode", field(text, "microcode"), file, {.source = k_cpuinfo});
    number(facts, file, text, "cpu.family", "cpu family");
    number(facts, file, text, "cpu.model_id", "model");
    number(facts, file, text, "cpu.stepping", "stepping");
    read_features(calls, file, text, facts);
}

}  // namespace sigrun::cpu
