// CRC32C (Castagnoli), by the processor's instruction where it has one. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace sigrun::valkyrie {

/// Checksum of a, followed by b.
std::uint32_t crc32c(std::string_view a, std::string_view b = {}) noexcept;
/// The same without special instructions: what other processors use, and what tests compare with.
std::uint32_t crc32c_portable(std::string_view a, std::string_view b = {}) noexcept;

}  // namespace sigrun::valkyrie
