// Times for people. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace sigrun {

/// Three significant digits, without trailing zeros behind the point.
std::string three_digits(double value);
/// Three digits and a unit: "412 us", "83.2 ms", "1.24 s", "3m 20s", "2h 5m".
std::string span_of_time(std::int64_t ns);

}  // namespace sigrun
