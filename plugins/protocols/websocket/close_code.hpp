// The codes that this plugin gives in Close frames; PROTOCOL.md, section 6.
#pragma once

#include <cstdint>

namespace sigrun::websocket::close_code {

inline constexpr std::uint16_t none = 0;  // no Close frame: the socket is just closed
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t policy = 1008;
inline constexpr std::uint16_t internal = 1011;
inline constexpr std::uint16_t busy = 1013;
inline constexpr std::uint16_t malformed = 4400;
inline constexpr std::uint16_t too_slow = 4408;

}  // namespace sigrun::websocket::close_code
