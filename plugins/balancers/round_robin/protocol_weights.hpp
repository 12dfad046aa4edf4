// How much a runner's share grows with the protocol it is reached by: the option protocol_weights. Immutable.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sigrun::round_robin {

class protocol_weights {
public:
    /// Items "valkyrie=1.2" or "5=1.1" (an id from 0 to 15). What is not named has 1.0. Throws sdk::failure.
    explicit protocol_weights(const std::vector<std::string>& items);
    /// In 1/1024, of the best protocol in the mask; 0 for no protocol.
    std::uint32_t best(std::uint16_t protocols) const noexcept;

private:
    std::array<std::uint32_t, 16> weights_{};
};

}  // namespace sigrun::round_robin
