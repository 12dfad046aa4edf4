// Where a generation of a plugin is on its way. See plugin-sdk.md section 5.
#pragma once

#include <cstdint>
#include <string_view>

namespace sigrun {

enum class plugin_state : std::uint8_t {
    staged,     // read once and through the gate
    tried,      // its trial in a process of its own went well
    loaded,     // mapped here; its `load` was called
    standby,    // its instances are started and have no work yet
    probation,  // has the work; the generation before it is kept warm
    active,     // has the work for good
    warm,       // replaced, and ready to take the work back
    draining,   // replaced for good; what it has is finished there
    retired,    // ended, but its code stays mapped
    rejected,   // its file was refused
    disabled,   // switched off by the configuration
};
/// The lower-case word: "probation".
std::string_view to_string(plugin_state state) noexcept;

}  // namespace sigrun
