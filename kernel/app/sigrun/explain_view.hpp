// How `sigrun probe --explain` looks. Pure: what to_json(explained_key) gives in, text out.
#pragma once

#include "kernel/app/sigrun/terminal.hpp"
#include "kernel/base/json.hpp"

#include <string>

namespace sigrun::cli {

std::string explained_facts(const json::array& keys, const terminal& where);

}  // namespace sigrun::cli
