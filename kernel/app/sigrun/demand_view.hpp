// How demand for runners looks on a terminal. Pure: the answer of demand.get in, text out.
#pragma once

#include "kernel/app/sigrun/terminal.hpp"
#include "kernel/base/json.hpp"

#include <string>

namespace sigrun::cli {

std::string demand_text(const json::object& demand, const terminal& where);

}  // namespace sigrun::cli
