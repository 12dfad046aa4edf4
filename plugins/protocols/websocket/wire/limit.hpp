// The header Sigrun-Max-Message: how large a message its sender takes. Pure.
#pragma once

#include <charconv>
#include <cstddef>
#include <string_view>

namespace sigrun::websocket {

/// 0 = the text is no number of bytes: nothing is known.
inline std::size_t message_limit(std::string_view text) noexcept {
    std::size_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    return error == std::errc() && end == text.data() + text.size() ? n : 0;
}

}  // namespace sigrun::websocket
