// An INI text as a stranger might write it: parsed, merged, expanded, and its first section bound to a table
// with every option type. Whatever parses keeps the promises of its header.
#include "kernel/config/settings.hpp"

#include <sigrun/cpp/options.hpp>

#include <array>
#include <cstdlib>

namespace {

using sigrun::sdk::option;

constexpr std::array k_table{
    option("bool", SIGRUN_OPT_BOOL, {.def = "no"}),
    option("int", SIGRUN_OPT_INT, {.def = "4", .min = 1, .max = 64}),
    option("float", SIGRUN_OPT_FLOAT, {.def = "0.5", .min = 0, .max = 1}),
    option("size", SIGRUN_OPT_SIZE, {.def = "64KiB"}),
    option("duration", SIGRUN_OPT_DURATION, {.def = "5s"}),
    option("string", SIGRUN_OPT_STRING, {}),
    option("choice", SIGRUN_OPT_CHOICE, {.def = "a", .choices = "a,b"}),
    option("list", SIGRUN_OPT_LIST, {.def = "x,y"}),
    option("uri", SIGRUN_OPT_URI, {}),
    option("path", SIGRUN_OPT_PATH, {}),
    option("secret", SIGRUN_OPT_SECRET, {}),
    option("ports", SIGRUN_OPT_INT, {.min = 1, .max = 65535, .flags = SIGRUN_OPT_REPEATABLE}),
};

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    auto parsed = sigrun::settings::parse(text, "fuzz.ini");
    if (!parsed) {
        check(!parsed.error().text().empty());
        return 0;
    }
    for (const auto& section : parsed->sections()) {
        check(parsed->find(section.name) == &section);
        for (const auto& [key, value] : section.values) {
            check(!key.empty() && value.origin.starts_with("fuzz.ini:") && value.value.size() <= 64 * 1024);
        }
        auto bound = sigrun::bound_section::bind(&section, k_table);
        if (!bound) {
            check(bound.error().field.find(section.name) == 0 && !bound.error().found.empty());
            continue;
        }
        if ((*bound)->has("int")) check((*bound)->integer("int") >= 1 && (*bound)->integer("int") <= 64);
        if ((*bound)->has("secret")) check((*bound)->dump().at("secret") == "***");
        for (const auto& port : (*bound)->list("ports")) check(!port.empty());
    }
    return 0;
}
