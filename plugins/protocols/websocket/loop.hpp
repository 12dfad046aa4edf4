// The I/O threads of the plugin.
#pragma once

#include <sigrun/cpp/asio_loop.hpp>

namespace sigrun::websocket {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using time_point = clock::time_point;
using loop = sdk::asio_loop;
using sdk::ticking;

inline std::uint64_t now_ns() noexcept {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(clock::now().time_since_epoch()).count());
}

}  // namespace sigrun::websocket
