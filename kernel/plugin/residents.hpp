// Plugin code that ended and stays mapped until the process does: because something of it may still run, because it may not be
// unmapped, or because the dynamic loader kept it. Counted, since it is memory that does not come back. [any]
#pragma once

#include "kernel/base/clock.hpp"

#include <boost/dll/shared_library.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct resident {
    std::string plugin_id, version, sha256;
    std::uint64_t generation = 0;
    std::uint64_t bytes = 0;  // of address space
    std::string why;
    time_point since{};
};

/// What the dynamic loader has mapped of the library at this path, in bytes; 0 = it is not mapped.
std::uint64_t mapped_bytes(const std::string& path);
/// Keeps `code`, which may be closed already and mapped all the same.
void keep_resident(resident about, boost::dll::shared_library code);
std::vector<resident> residents_of(std::string_view plugin_id);

}  // namespace sigrun
