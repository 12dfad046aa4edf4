// CPUID says what the processor can do, XCR0 says which registers the operating system saves. A vector unit
// whose state is not saved kills the program that uses it (SIGILL), so it is not a feature
// (numpy/numpy#15342, jax-ml/jax#2906).
#include "cpu_probe.hpp"

#include <array>
#include <initializer_list>

namespace sigrun::cpu {
namespace {

enum reg : std::uint8_t { eax, ebx, ecx, edx };
enum state : std::uint8_t { none, avx, avx512, amx };

constexpr std::uint64_t k_state_bits[] = {0, 0x6, 0xE6, 0x60006};  // bits of XCR0 that must all be set

struct feature {
    std::uint32_t leaf, subleaf;
    reg in;
    std::uint8_t bit;
    state needs;
    const char* name;
};

constexpr feature k_features[] = {
    {1, 0, edx, 8, none, "cx8"},
    {1, 0, edx, 15, none, "cmov"},
    {1, 0, edx, 23, none, "mmx"},
    {1, 0, edx, 24, none, "fxsr"},
    {1, 0, edx, 25, none, "sse"},
    {1, 0, edx, 26, none, "sse2"},
    {1, 0, edx, 28, none, "ht"},
    {1, 0, ecx, 0, none, "pni"},
    {1, 0, ecx, 1, none, "pclmulqdq"},
    {1, 0, ecx, 9, none, "ssse3"},
    {1, 0, ecx, 12, avx, "fma"},
    {1, 0, ecx, 13, none, "cx16"},
    {1, 0, ecx, 19, none, "sse4_1"},
    {1, 0, ecx, 20, none, "sse4_2"},
    {1, 0, ecx, 22, none, "movbe"},
    {1, 0, ecx, 23, none, "popcnt"},
    {1, 0, ecx, 25, none, "aes"},
    {1, 0, ecx, 26, none, "xsave"},
    {1, 0, ecx, 28, avx, "avx"},
    {1, 0, ecx, 29, avx, "f16c"},
    {1, 0, ecx, 30, none, "rdrand"},
    {1, 0, ecx, 31, none, "hypervisor"},
    {7, 0, ebx, 0, none, "fsgsbase"},
    {7, 0, ebx, 3, none, "bmi1"},
    {7, 0, ebx, 5, avx, "avx2"},
    {7, 0, ebx, 8, none, "bmi2"},
    {7, 0, ebx, 9, none, "erms"},
    {7, 0, ebx, 16, avx512, "avx512f"},
    {7, 0, ebx, 17, avx512, "avx512dq"},
    {7, 0, ebx, 18, none, "rdseed"},
    {7, 0, ebx, 19, none, "adx"},
    {7, 0, ebx, 21, avx512, "avx512ifma"},
    {7, 0, ebx, 23, none, "clflushopt"},
    {7, 0, ebx, 24, none, "clwb"},
    {7, 0, ebx, 28, avx512, "avx512cd"},
    {7, 0, ebx, 29, none, "sha_ni"},
    {7, 0, ebx, 30, avx512, "avx512bw"},
    {7, 0, ebx, 31, avx512, "avx512vl"},
    {7, 0, ecx, 1, avx512, "avx512vbmi"},
    {7, 0, ecx, 5, none, "waitpkg"},
    {7, 0, ecx, 6, avx512, "avx512_vbmi2"},
    {7, 0, ecx, 8, none, "gfni"},
    {7, 0, ecx, 9, avx, "vaes"},
    {7, 0, ecx, 10, avx, "vpclmulqdq"},
    {7, 0, ecx, 11, avx512, "avx512_vnni"},
    {7, 0, ecx, 12, avx512, "avx512_bitalg"},
    {7, 0, ecx, 14, avx512, "avx512_vpopcntdq"},
    {7, 0, ecx, 22, none, "rdpid"},
    {7, 0, ecx, 27, none, "movdiri"},
    {7, 0, ecx, 28, none, "movdir64b"},
    {7, 0, edx, 4, none, "fsrm"},
    {7, 0, edx, 8, avx512, "avx512_vp2intersect"},
    {7, 0, edx, 14, none, "serialize"},
    {7, 0, edx, 22, amx, "amx_bf16"},
    {7, 0, edx, 23, avx512, "avx512_fp16"},
    {7, 0, edx, 24, amx, "amx_tile"},
    {7, 0, edx, 25, amx, "amx_int8"},
    {7, 1, eax, 4, avx, "avx_vnni"},
    {7, 1, eax, 5, avx512, "avx512_bf16"},
    {7, 1, eax, 23, avx, "avx_ifma"},
    {0x80000001u, 0, ecx, 0, none, "lahf_lm"},
    {0x80000001u, 0, ecx, 5, none, "abm"},
    {0x80000001u, 0, ecx, 6, none, "sse4a"},
    {0x80000001u, 0, edx, 20, none, "nx"},
    {0x80000001u, 0, edx, 26, none, "pdpe1gb"},
    {0x80000001u, 0, edx, 27, none, "rdtscp"},
    {0x80000001u, 0, edx, 29, none, "lm"},
};

}  // namespace

std::optional<std::vector<std::string>> usable_features(const machine_calls& calls) {
    if (!calls.cpuid) return std::nullopt;
    const std::uint32_t last = calls.cpuid(0, 0).eax;
    const std::uint32_t last_extended = calls.cpuid(0x80000000u, 0).eax;
    if (last < 1) return std::nullopt;
    const bool osxsave = calls.cpuid(1, 0).ecx >> 27 & 1;
    const std::uint64_t enabled = osxsave && calls.xcr0 ? calls.xcr0() : 0;
    const std::uint32_t last_of_7 = last >= 7 ? calls.cpuid(7, 0).eax : 0;

    std::vector<std::string> names;
    const feature* before = nullptr;
    cpuid_regs r;
    for (const feature& f : k_features) {
        const bool extended = f.leaf >= 0x80000000u;
        if (f.leaf > (extended ? last_extended : last) || (f.leaf == 7 && f.subleaf > last_of_7)) continue;
        if (!before || before->leaf != f.leaf || before->subleaf != f.subleaf) r = calls.cpuid(f.leaf, f.subleaf);
        before = &f;
        const std::uint32_t word = f.in == eax ? r.eax : f.in == ebx ? r.ebx : f.in == ecx ? r.ecx : r.edx;
        const std::uint64_t needed = k_state_bits[f.needs];
        if ((word >> f.bit & 1) && (enabled & needed) == needed) names.emplace_back(f.name);
    }
    return names;
}

std::string isa_level(const std::vector<std::string>& features) {
    auto all = [&](std::initializer_list<std::string_view> wanted) {
        for (auto w : wanted)
            if (std::find(features.begin(), features.end(), w) == features.end()) return false;
        return true;
    };
    if (!all({"lm", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2"})) return {};
    if (!all({"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"})) return "x86-64-v1";
    if (!all({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})) return "x86-64-v2";
    if (!all({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})) return "x86-64-v3";
    return "x86-64-v4";
}

}  // namespace sigrun::cpu
