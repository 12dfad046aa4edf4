// How an event looks on a terminal. Pure: EVENT in, one line out.
#pragma once

#include "kernel/app/sigrun/terminal.hpp"
#include "kernel/base/json.hpp"

#include <string>

namespace sigrun::cli {

/// "20:14:05.120  JobStateChanged       job=0c8e6a1d4b21 state=running runner=build-1"
std::string event_line(const json::object& event, const terminal& where);

}  // namespace sigrun::cli
