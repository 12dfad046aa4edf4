// Job ids: 36 characters of UUID text in the ABI, 16 raw bytes on the wire. Pure, no allocation.
#pragma once

#include <cstddef>
#include <string_view>

namespace sigrun::valkyrie {

inline constexpr std::size_t k_uuid_text = 36;
inline constexpr std::size_t k_uuid_raw = 16;

/// False unless `text` is canonical (lower case, hyphens in place), so that format_uuid gives the same text
/// back.
bool parse_uuid(std::string_view text, char* raw) noexcept;
void format_uuid(const char* raw, char* text) noexcept;

}  // namespace sigrun::valkyrie
