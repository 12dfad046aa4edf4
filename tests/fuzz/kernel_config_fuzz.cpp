// A kernel's configuration, packed or not: never more than the limit, and only options that are on.
#include "os_probe.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t k_limit = 64 * 1024;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto unpacked = sigrun::os::gunzip(text, k_limit);
    if (unpacked && unpacked->size() > k_limit) std::abort();
    for (const auto& [name, value] : sigrun::os::parse_kernel_config(unpacked ? std::string_view(*unpacked) : text))
        if (name.empty() || name.find('=') != name.npos || (value != 'y' && value != 'm')) std::abort();
    return 0;
}
