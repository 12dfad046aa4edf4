#pragma once

#include <string_view>

namespace sigrun {

/// The name under which a fact is kept: os.arch is another name for host.arch.
std::string_view canonical_key(std::string_view key) noexcept;

}  // namespace sigrun
