// What identifies a machine or its people, taken out of texts that are to be published.
#pragma once

#include <string>
#include <string_view>

namespace machines {

/// Serial numbers, hardware addresses, network addresses, UUIDs, ids of containers, host names, names of users and values of
/// variables are replaced by ones that mean nothing; of a file that holds nothing else, everything. `host`: this machine's name.
std::string scrubbed(std::string_view path, std::string text, std::string_view host);

}  // namespace machines
