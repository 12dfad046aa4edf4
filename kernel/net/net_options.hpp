// What the operator says about connections that are opened. Immutable once given to a network.
#pragma once

#include "kernel/net/name_lookup.hpp"

#include <cstddef>
#include <string>

namespace sigrun {

struct net_options {
    std::size_t max_dials = 4096;  // at once
    nanoseconds dial_time = std::chrono::seconds(30);  // for a dial without a deadline
    name_lookup::resolver resolver = name_lookup::system_resolver();  // read once
};

}  // namespace sigrun
