// Base64 (RFC 4648, padded) for payloads inside JSON frames. Pure; strict on input.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sigrun::http {

std::string to_base64(std::string_view bytes);
/// Nothing unless `text` is canonical base64: known letters, right padding, no spare bits.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace sigrun::http
