// The static stride of gRPC's weighted round robin: on its g-th turn a slot of weight w is taken or passed
// over, so that over any number of consecutive turns it is taken its share, to within one. Pure arithmetic.
#pragma once

#include <cstdint>

namespace sigrun::round_robin {

/// The largest weight among the slots; a slot of this weight is taken on every turn.
constexpr std::uint32_t k_full = 65'535;
/// Slots of equal weight are not passed over in the same turn.
constexpr std::uint64_t k_spread = 32'767;

constexpr std::uint32_t phase(std::uint32_t w, std::uint32_t slot, std::uint32_t turn) noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{w} * turn + slot * k_spread) % k_full);
}
constexpr bool taken(std::uint32_t w, std::uint32_t slot, std::uint32_t turn) noexcept {
    return phase(w, slot, turn) >= k_full - w;
}
/// How many turns from this one on pass the slot over before it is taken. w at least 1.
constexpr std::uint32_t turns_until_taken(std::uint32_t w, std::uint32_t slot, std::uint32_t turn) noexcept {
    const std::uint32_t p = phase(w, slot, turn);
    return p >= k_full - w ? 0 : (k_full - w - p + w - 1) / w;
}

}  // namespace sigrun::round_robin
