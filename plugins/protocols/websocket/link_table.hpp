// The slots of sigrun_link_ops.
#pragma once

#include "connection.hpp"

namespace sigrun::websocket {

extern const sigrun_link_ops k_link_ops;

}  // namespace sigrun::websocket
