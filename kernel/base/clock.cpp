#include "kernel/base/clock.hpp"

#include <cstdio>
#include <ctime>

namespace sigrun {

std::string to_rfc3339(std::int64_t wall_ns) {
    std::time_t seconds = wall_ns / 1'000'000'000;
    int millis = static_cast<int>(wall_ns / 1'000'000 % 1000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[40];
    std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text + n, sizeof text - n, ".%03dZ", millis);
    return text;
}

}  // namespace sigrun
