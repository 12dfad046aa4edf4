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
    facts.maybe("cpu.model", field(text, "model name"), file, info);
    facts.maybe("cpu.microcode", field(text, "microcode"), file, {.source = k_cpuinfo});
    number(facts, file, text, "cpu.family", "cpu family");
    number(facts, file, text, "cpu.model_id", "model");
    number(facts, file, text, "cpu.stepping", "stepping");
    read_features(calls, file, text, facts);
}

}  // namespace sigrun::cpu
