// How long a small program takes from its start to its end.
#pragma once

#include "time_box.hpp"

#include <string>

namespace sigrun::benchmark {

struct spawn_result {
    std::string program;               // empty: there is none
    std::vector<double> microseconds;  // of each start
    int error = 0;
};
/// Starts /bin/true twenty times. None is left when this returns: one that does not end is killed when the box closes.
spawn_result measure_spawn(time_box& box);

}  // namespace sigrun::benchmark
