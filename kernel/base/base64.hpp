// Base64 (RFC 4648), with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sigrun {

std::string to_base64(std::string_view bytes);
/// Nothing if the text is not base64. Padding may be missing.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace sigrun
