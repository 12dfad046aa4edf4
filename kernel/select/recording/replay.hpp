// Asks a balancer again what a recording says it was asked, and compares the answers.
#pragma once

#include "kernel/select/recording/format.hpp"

#include <sigrun/balancer.h>

#include <optional>

namespace sigrun::picks {

struct replay_report {
    std::uint32_t picks = 0;  // that the recording has
    std::uint32_t equal = 0;  // bit by bit
    struct difference {
        std::uint32_t pick = 0;  // from 0
        sigrun_pick then{}, now{};
    };
    std::optional<difference> first;
};

/// `records` is what follows the header. A recording that is not whole, or that no host could have written, is a problem
/// with the byte where it ends to make sense.
result<replay_report> replay(const header& h, std::string_view records, const sigrun_balancer* table,
                             sigrun_instance* balancer);

}  // namespace sigrun::picks
