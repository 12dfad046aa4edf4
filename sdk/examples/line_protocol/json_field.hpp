// Reading single members of the host's JSON answers. Enough for what this protocol shows; a plugin that does more brings a
// JSON library of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace line {

/// A member of the object `json`: texts without quotes and escapes, everything else as it is written. Nothing if the object
/// has no such member, or if this is no object.
std::optional<std::string> json_field(std::string_view json, std::string_view name);

}  // namespace line
