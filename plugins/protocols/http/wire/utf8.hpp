// UTF-8 checks (Unicode table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sigrun::http {

bool is_utf8(std::string_view text) noexcept;
/// Length of a sequence at the end of `text` that has begun correctly but is not finished; 0 to 3.
std::size_t unfinished_tail(std::string_view text) noexcept;
/// Every byte that belongs to no valid sequence becomes U+FFFD; `replaced` counts them.
std::string with_valid_utf8(std::string_view text, std::size_t& replaced);
/// Text of a stranger as people are shown it: at most 200 bytes, and UTF-8.
std::string shown(std::string_view text);

}  // namespace sigrun::http
