// Looks at the bytes of a shared library without running any of it: is it one that can be loaded here, does
// it carry a Sigrun note, what does it export? Every offset in the file is untrusted. Pure.
#pragma once

#include "kernel/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun {

/// What the note ".note.sigrun" says.
struct plugin_identity {
    std::string id;
    std::string version;
    std::string sdk_version;
    std::uint16_t abi_major = 0;
    std::uint16_t abi_minor = 0;
    std::uint16_t min_host_minor = 0;
    std::uint32_t flags = 0;
    std::uint32_t unique_symbols = 0;  // STB_GNU_UNIQUE: such a file can be neither unloaded nor loaded side by side
};

/// Refuses what must not be mapped or cannot be a plugin; the problem has field, expected and found.
result<plugin_identity> inspect_plugin(std::string_view file_bytes);

/// "sigrun.http", "com.vendor.name": lower case, digits, . _ -; at most 63 characters.
bool is_plugin_id(std::string_view text) noexcept;

}  // namespace sigrun
