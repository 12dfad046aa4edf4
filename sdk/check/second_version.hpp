// The plugin's bytes with another version number, in the note and in the descriptor: a second version without a second build.
#pragma once

#include "rig.hpp"

namespace sigrun::check {

/// Empty `bytes`: it cannot be made, `why` says so.
struct other_version {
    std::string bytes, version, why;
};
/// `turn` picks the last character of the version.
other_version with_other_version(const subject& file, const library& loaded, unsigned turn);

/// The same file under another version.
subject as_version(const subject& file, const other_version& other);

}  // namespace sigrun::check
