// Detached signatures of plugin files: FILE.sig beside FILE.
//
// What is signed is "sigrun-plugin-v1", a NUL and the SHA-256 of the file's bytes, so that a signature made for anything else
// is worth nothing here. The ELF note with id and version is part of these bytes.
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>

namespace sigrun {

inline constexpr std::string_view k_signature_context = "sigrun-plugin-v1";

struct plugin_signature {
    std::string key_id;  // whose: a hint for finding the key and for people; it is not part of what is signed
    std::string bytes;   // 64
    std::string text() const;
};
result<plugin_signature> parse_plugin_signature(std::string_view text);
result<plugin_signature> sign_plugin(std::string_view file_bytes, std::string_view private_pem);
result<bool> verify_plugin(std::string_view file_bytes, const plugin_signature& signature, std::string_view public_pem);

}  // namespace sigrun
