#include "kernel/plugin/plugin_state.hpp"

#include <array>
#include <cstddef>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 11> k_names{"staged", "tried",    "loaded",  "standby",  "probation", "active",
                                                   "warm",   "draining", "retired", "rejected", "disabled"};

}  // namespace

std::string_view to_string(plugin_state state) noexcept { return k_names[static_cast<std::size_t>(state)]; }

}  // namespace sigrun
