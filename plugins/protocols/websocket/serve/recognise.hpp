// Are the first bytes of a connection a request for a WebSocket? Pure.
#pragma once

#include <sigrun/base.h>

#include <string_view>

namespace sigrun::websocket {

/// OK for the head of a GET request as soon as it has "Upgrade: websocket", whatever its path: the refusal of a wrong one is
/// this plugin's too. NEED_MORE until the head has ended; heads without that header, and those that do not end within 16 KiB, are
/// another protocol's.
sigrun_result recognise(std::string_view first) noexcept;

}  // namespace sigrun::websocket
