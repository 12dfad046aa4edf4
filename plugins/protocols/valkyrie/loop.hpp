// The I/O threads of the plugin.
#pragma once

#include <sigrun/cpp/epoll_loop.hpp>

namespace sigrun::valkyrie {

using loop = sdk::epoll_loop;
using sdk::io_handler;
using sdk::now_ns;

}  // namespace sigrun::valkyrie
