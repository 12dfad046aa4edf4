// Bytes that do not compress, to measure what goes through a line. Not for secrets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace sigrun {

/// Xorshift (Marsaglia 2003, 64 bits: 13, 7, 17) from any seed but 0.
inline void fill_with_noise(std::span<char> room, std::uint64_t seed = 0x9e3779b97f4a7c15) {
    for (auto x = seed; !room.empty(); room = room.subspan(std::min(room.size(), sizeof x))) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        std::memcpy(room.data(), &x, std::min(room.size(), sizeof x));
    }
}

}  // namespace sigrun
