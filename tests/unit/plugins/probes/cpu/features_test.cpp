#include "calls.hpp"

namespace sigrun::cpu {
namespace {

constexpr std::uint32_t k_osxsave = 1u << 27, k_avx = 1u << 28, k_avx2 = 1u << 5, k_avx512f = 1u << 16,
                        k_amx_tile = 1u << 24;

/// A processor with AVX, AVX2, AVX-512F and AMX tiles, under a system that saves the states in `xcr0`.
machine_calls processor(std::uint64_t xcr0, bool osxsave = true) {
    machine_calls calls;
    calls.cpuid = [=](std::uint32_t leaf, std::uint32_t subleaf) -> cpuid_regs {
        if (leaf == 0) return {7, 0, 0, 0};
        if (leaf == 1) return {0, 0, k_avx | (osxsave ? k_osxsave : 0u), 1u << 26};
        if (leaf == 7 && subleaf == 0) return {0, k_avx2 | k_avx512f, 0, k_amx_tile};
        if (leaf == 0x80000000u) return {0x80000001u, 0, 0, 0};
        return {};
    };
    calls.xcr0 = [=] { return xcr0; };
    return calls;
}
bool has(const machine_calls& calls, std::string_view name) {
    const auto names = usable_features(calls).value();
    return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(cpu_features, vector_units_need_the_state_that_the_system_saves) {
    for (auto [xcr0, avx, avx512, amx] :
         {std::tuple{0x1ull, false, false, false}, std::tuple{0x3ull, false, false, false},
          std::tuple{0x7ull, true, false, false}, std::tuple{0x67ull, true, false, false},
          std::tuple{0xE7ull, true, true, false}, std::tuple{0x600E7ull, true, true, true},
          std::tuple{0xE1ull, false, false, false}, std::tuple{0x200E7ull, true, true, false}}) {
        EXPECT_EQ(has(processor(xcr0), "avx"), avx) << std::hex << xcr0;
        EXPECT_EQ(has(processor(xcr0), "avx2"), avx) << std::hex << xcr0;
        EXPECT_EQ(has(processor(xcr0), "avx512f"), avx512) << std::hex << xcr0;
        EXPECT_EQ(has(processor(xcr0), "amx_tile"), amx) << std::hex << xcr0;
        EXPECT_TRUE(has(processor(xcr0), "sse2"));
    }
}

TEST(cpu_features, without_osxsave_nobody_asks_for_the_state) {
    auto calls = processor(0xE7, false);
    calls.xcr0 = []() -> std::uint64_t { throw std::logic_error("XGETBV would be an illegal instruction"); };
    EXPECT_FALSE(has(calls, "avx"));
    EXPECT_TRUE(has(calls, "sse2"));
}

TEST(cpu_features, leaves_beyond_the_last_one_are_not_read) {
    machine_calls calls;
    calls.cpuid = [](std::uint32_t leaf, std::uint32_t) -> cpuid_regs {
        if (leaf == 0) return {1, 0, 0, 0};
        if (leaf == 0x80000000u) return {};
        if (leaf != 1) ADD_FAILURE() << "leaf " << leaf;
        return {0, 0, 0, 1u << 25};
    };
    EXPECT_EQ(usable_features(calls).value(), std::vector<std::string>{"sse"});
    EXPECT_FALSE(usable_features(machine_calls{}).has_value());
}

TEST(cpu_features, levels_need_every_feature_of_theirs) {
    std::vector<std::string> f{"lm", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2"};
    EXPECT_EQ(isa_level(f), "x86-64-v1");
    f.insert(f.end(), {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"});
    EXPECT_EQ(isa_level(f), "x86-64-v2");
    f.insert(f.end(), {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"});
    EXPECT_EQ(isa_level(f), "x86-64-v2") << "xsave is missing";
    f.push_back("xsave");
    EXPECT_EQ(isa_level(f), "x86-64-v3");
    f.insert(f.end(), {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
    EXPECT_EQ(isa_level(f), "x86-64-v4");
    EXPECT_EQ(isa_level({"sse2"}), "");
}

}  // namespace
}  // namespace sigrun::cpu
