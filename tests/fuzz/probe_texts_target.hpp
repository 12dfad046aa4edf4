// Feeds one text to the parsers that the os and security probes have of their own, and checks what must hold for any input.
#pragma once

#include "os_probe.hpp"

#include <cstdlib>

namespace sigrun::os {

inline void read_as_config(std::string_view text) {
    constexpr std::size_t k_limit = 64 * 1024;
    const auto unpacked = gunzip(text, k_limit);
    if (unpacked && unpacked->size() > k_limit) std::abort();
    for (const auto& [name, value] : parse_kernel_config(unpacked ? std::string_view(*unpacked) : text))
        if (name.empty() || name.find('=') != name.npos || (value != 'y' && value != 'm')) std::abort();
}

}  // namespace sigrun::os
