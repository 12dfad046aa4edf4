// The I/O threads of the plugin.
#pragma once

#include <sigrun/cpp/asio_loop.hpp>

namespace sigrun::http {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using time_point = clock::time_point;
using loop = sdk::asio_loop;
using sdk::ticking;

}  // namespace sigrun::http
