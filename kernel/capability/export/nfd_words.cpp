#include "kernel/capability/export/nfd_words.hpp"

#include <algorithm>
#include <array>

namespace sigrun {
namespace {

// Where the name is another one than the kernel's in capital letters without underscores.
constexpr std::array<std::pair<std::string_view, std::string_view>, 18> k_x86{{
    {"abm", "LZCNT"},
    {"aes", "AESNI"},
    {"cx8", "CMPXCHG8"},
    {"fma", "FMA3"},
    {"ht", "HTT"},
    {"lahf_lm", "LAHF"},
    {"pclmulqdq", "CLMUL"},
    {"pni", "SSE3"},
    {"sha_ni", "SHA"},
    {"sse4_1", "SSE4"},
    {"sse4_2", "SSE42"},
    // It has no word for these.
    {"clflush", ""},
    {"clflushopt", ""},
    {"clwb", ""},
    {"fsgsbase", ""},
    {"lm", ""},
    {"pdpe1gb", ""},
    {"rdpid", ""},
}};

constexpr std::array<std::string_view, 24> k_unlabelled{
    "AVX10", "BMI1",   "BMI2",   "CLMUL",  "CMOV",   "CX16", "ERMS", "F16C", "HTT",  "LZCNT", "MMX",   "MMXEXT",
    "NX",    "POPCNT", "RDRAND", "RDSEED", "RDTSCP", "SGX",  "SSE",  "SSE2", "SSE3", "SSE4",  "SSE42", "SSSE3"};

template <std::size_t N>
bool begins(std::string_view text, const std::array<std::string_view, N>& with) {
    return std::any_of(with.begin(), with.end(), [&](std::string_view w) { return text.starts_with(w); });
}

}  // namespace

std::string nfd_cpu_flag(std::string_view arch, std::string_view feature) {
    const bool x86 = arch == "x86_64" || arch == "i386" || arch == "i686";
    if (x86)
        for (const auto& [mine, theirs] : k_x86)
            if (mine == feature) return std::string(theirs);
    std::string out;
    for (char c : feature)
        if (!x86 || c != '_') out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return out;
}

std::string nfd_cpu_vendor(std::string_view vendor) {
    if (vendor == "GenuineIntel") return "Intel";
    if (vendor == "AuthenticAMD") return "AMD";
    if (vendor == "HygonGenuine") return "Hygon";
    return std::string(vendor);
}

bool nfd_unlabelled_flag(std::string_view flag) {
    return std::find(k_unlabelled.begin(), k_unlabelled.end(), flag) != k_unlabelled.end() || flag == "TDX_GUEST";
}

bool nfd_labelled_pci(std::string_view device_class) {
    return begins(device_class, std::array<std::string_view, 3>{"03", "0b40", "12"});
}

bool nfd_labelled_usb(std::string_view device_class) {
    return begins(device_class, std::array<std::string_view, 4>{"0e", "ef", "fe", "ff"});
}

}  // namespace sigrun
