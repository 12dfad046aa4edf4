// How fast the folder that jobs work in takes and gives bytes: in order, at random, and until they are durable.
#pragma once

#include "time_box.hpp"

#include <cstdint>
#include <string>

namespace sigrun::benchmark {

struct disk_result {
    std::vector<double> write, read;  // bytes per second, per round
    std::vector<double> random;       // reads of 4 KiB per second, per round
    bool direct = true;               // past the page cache
    int error = 0;                    // errno of what failed first
    std::string what;                 // and its name
};
/// A scratch file of 64 MiB: written and read in blocks of 1 MiB, then read at random by 16 threads.
disk_result measure_disk(time_box& box, const std::string& folder);

struct sync_result {
    std::vector<double> microseconds;  // of each time that 4 KiB were written and made durable
    bool honest = true;                // false: the file system does not sync such a file
    int error = 0;
    std::string what;
};
sync_result measure_sync(time_box& box, const std::string& folder);

}  // namespace sigrun::benchmark
