// How patient the folder watch is; see folder_watch.hpp.
#pragma once

#include "kernel/base/clock.hpp"

namespace sigrun {

struct watch_times {
    nanoseconds quiet = std::chrono::milliseconds(300);    // how long a file must rest before it is looked at
    nanoseconds rescan = std::chrono::seconds(30);         // between looks at the whole folder
    nanoseconds missing = std::chrono::milliseconds(500);  // between looks for a folder that is gone
};

}  // namespace sigrun
