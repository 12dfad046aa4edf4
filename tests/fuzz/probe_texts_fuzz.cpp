#include "probe_texts_target.hpp"
#include "security_probe.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    sigrun::os::read_as_config(text);
    const auto names = sigrun::security::capability_names(text);
    if (names && names->size() > 64) std::abort();
    const auto list = sigrun::security::name_list(text, 8);
    if (list && list->size() > 8) std::abort();
    (void)sigrun::security::switch_of(text);
    return 0;
}
