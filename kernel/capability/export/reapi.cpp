#include "kernel/capability/export/reapi.hpp"

#include "kernel/capability/export/fact_reader.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace sigrun {
namespace {

using pairs = std::vector<std::pair<std::string_view, std::string_view>>;

std::string_view word_for(const pairs& words, std::string_view known) {
    for (const auto& [mine, theirs] : words)
        if (mine == known) return theirs;
    return {};
}

const pairs k_architectures{{"x86_64", "x86-64"},        {"i386", "x86-32"},           {"i686", "x86-32"},
                            {"aarch64", "arm-a64"},      {"aarch64_be", "arm-a64-be"}, {"arm", "arm-a32"},
                            {"armv6l", "arm-a32"},       {"armv7l", "arm-a32"},        {"armv8l", "arm-a32"},
                            {"ppc64le", "power-isa-le"}, {"ppc64", "power-isa-be"},    {"riscv64", "rv64g"},
                            {"riscv32", "rv32g"},        {"sparc64", "sparc-v9"}};
const pairs k_versions{{"aarch64", "armv8"}, {"armv6l", "armv6"}, {"armv7l", "armv7"}, {"armv8l", "armv8"}};
const pairs k_extensions{{"avx", "x86-avx"},       {"avx2", "x86-avx2"},     {"avx512f", "x86-avx-512"},
                         {"sse4_1", "x86-sse4.1"}, {"sse4_2", "x86-sse4.2"}, {"asimd", "arm-neon"},
                         {"neon", "arm-neon"},     {"sve", "arm-sve"},       {"vfpv3", "arm-vfpv3"},
                         {"vfpv4", "arm-vfpv4"}};

}  // namespace

json::array reapi_properties(const capability_document& facts) {
    const fact_reader read(facts);
    std::set<std::pair<std::string, std::string>> all;
    const auto add = [&](const char* name, std::string_view value) {
        if (!value.empty()) all.emplace(name, value);
    };
    // Every kernel that a probe has read so far is Linux.
    if (!read.text("kernel.release").empty()) add("OSFamily", "linux");
    const auto arch = read.text("host.arch");
    const auto isa = word_for(k_architectures, arch);
    add("ISA", isa);
    if (!isa.empty()) {
        add("ISA", word_for(k_versions, arch));
        for (const auto& feature : read.texts("cpu.features")) add("ISA", word_for(k_extensions, feature));
    }
    json::array out;
    for (const auto& [name, value] : all) out.push_back(json::object{{"name", name}, {"value", value}});
    return out;
}

}  // namespace sigrun
