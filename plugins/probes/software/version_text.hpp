// What a version may look like.
#pragma once

#include <cstddef>

namespace sigrun::software {

inline constexpr std::size_t k_max_version = 64;  // bytes

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_word(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace sigrun::software
