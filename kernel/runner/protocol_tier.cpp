#include "kernel/runner/protocol_tier.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {

std::string_view to_string(protocol_tier tier) noexcept {
    switch (tier) {
        case protocol_tier::unknown: return "unknown";
        case protocol_tier::basic: return "basic";
        case protocol_tier::standard: return "standard";
        case protocol_tier::high: return "high";
        case protocol_tier::ultra: return "ultra";
    }
    return "unknown";
}

protocol_tier tier_of(nanoseconds round_trip) noexcept {
    if (round_trip.count() <= 0) return protocol_tier::unknown;
    if (round_trip < std::chrono::microseconds(10)) return protocol_tier::ultra;
    if (round_trip < std::chrono::microseconds(100)) return protocol_tier::high;
    return round_trip < std::chrono::milliseconds(1) ? protocol_tier::standard : protocol_tier::basic;
}

bool tier_gauge::round_trip(nanoseconds rtt) noexcept {
    if (rtt.count() <= 0) return false;
    trips_[count_++] = rtt.count();
    if (count_ < (tier_ == protocol_tier::unknown ? k_first : k_window)) return false;
    const auto middle = trips_.begin() + static_cast<std::ptrdiff_t>(count_ / 2);
    std::nth_element(trips_.begin(), middle, trips_.begin() + static_cast<std::ptrdiff_t>(count_));
    count_ = 0;
    return window(nanoseconds(*middle));
}

bool tier_gauge::window(nanoseconds median) noexcept {
    const auto here = tier_of(median);
    if (here == protocol_tier::unknown) return false;
    if (tier_ == protocol_tier::unknown) {
        tier_ = here;
        return true;
    }
    const auto clearly = tier_of(median + median / 10);
    const auto wants = here < tier_ ? here : clearly > tier_ ? clearly : tier_;
    const auto before = std::exchange(last_, wants);
    // Two in a row in the same direction: as far as both go.
    if (wants < tier_ && before != protocol_tier::unknown && before < tier_)
        tier_ = std::max(wants, before);
    else if (wants > tier_ && before > tier_)
        tier_ = std::min(wants, before);
    else
        return false;
    last_ = protocol_tier::unknown;
    return true;
}

}  // namespace sigrun
