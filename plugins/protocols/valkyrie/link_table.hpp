// The slots of sigrun_link_ops.
#pragma once

#include "connection.hpp"

namespace sigrun::valkyrie {

extern const sigrun_link_ops k_link_ops;

}  // namespace sigrun::valkyrie
