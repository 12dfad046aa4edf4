// The time of the day, in nanoseconds since 1970.
#pragma once

#include <time.h>

#include <cstdint>

namespace sigrun::shim {

inline std::uint64_t wall_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

}  // namespace sigrun::shim
