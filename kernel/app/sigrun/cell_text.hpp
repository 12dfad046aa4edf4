// Text from elsewhere (names, labels, commands, reasons) made safe and measurable for a terminal. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sigrun::cli {

/// One line of valid UTF-8: control characters and escape sequences become visible "\n", "\x1b"; bad bytes
/// U+FFFD.
std::string printable(std::string_view text);
bool is_utf8(std::string_view text) noexcept;
/// Terminal columns of printable text: wide East Asian characters and emoji take two, combining marks none.
std::size_t columns_of(std::string_view text) noexcept;
/// At most `columns` columns; what is cut ends in an ellipsis.
std::string cut_to(std::string_view text, std::size_t columns);

}  // namespace sigrun::cli
