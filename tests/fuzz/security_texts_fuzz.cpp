// Masks, lists of names and switches as procfs and securityfs show them.
#include "security_probe.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto names = sigrun::security::capability_names(text);
    if (names && names->size() > 64) std::abort();
    const auto list = sigrun::security::name_list(text, 8);
    if (list && list->size() > 8) std::abort();
    for (const auto& name : list.value_or(std::vector<std::string>()))
        if (name.empty() || name.size() > 64) std::abort();
    (void)sigrun::security::switch_of(text);
    return 0;
}
