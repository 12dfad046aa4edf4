// Whether a file's bytes may be loaded at all, decided before any of them run: what keeps records over the life of a
// process (quarantine, pins, last good versions) answers here.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace sigrun {

struct admission {
    /// Why these bytes must not be loaded; empty = they may.
    std::string refusal;
    /// A file to load in their place, at start, when nothing of the plugin runs yet; empty = none.
    std::string instead;
};
/// [any] `sha256` in hex, of the file's bytes.
using admission_rule = std::function<admission(std::string_view id, std::string_view sha256)>;

}  // namespace sigrun
