// Which attempt it is, and why a runner itself may end one.
#pragma once

#include <cstdint>
#include <string>

namespace sigrun {

struct assignment_names {
    std::string job, token;
    std::uint32_t number = 0;
};

/// Why the runner itself ends an attempt; overrides what the executor says. The numbers are written to disk.
enum class end_cause : std::uint32_t { none = 0, cancelled = 1, preempted = 2, silent = 3 };

}  // namespace sigrun
