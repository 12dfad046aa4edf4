// Whether a file is still the one that was read.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sigrun {

/// Device, inode, size and time of change of each; zeros for one that is not there or has no name.
using file_stamps = std::vector<std::array<std::int64_t, 5>>;

inline file_stamps stamps_of(const std::vector<std::string>& files) {
    file_stamps out;
    for (const auto& each : files) {
        struct stat s {};
        auto& one = out.emplace_back();
        if (each.empty() || ::stat(each.c_str(), &s) != 0) continue;
        one = {static_cast<std::int64_t>(s.st_dev), static_cast<std::int64_t>(s.st_ino), s.st_size, s.st_mtim.tv_sec,
               s.st_mtim.tv_nsec};
    }
    return out;
}

}  // namespace sigrun
