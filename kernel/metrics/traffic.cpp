#include "kernel/metrics/traffic.hpp"

#include <algorithm>

namespace sigrun {

protocol_traffic& traffic_board::of(std::string_view protocol) {
    std::lock_guard lock(mutex_);
    const auto find = [&](std::string_view name) {
        return std::find_if(known_.begin(), known_.end(), [&](const auto& each) { return each->name == name; });
    };
    auto known = find(protocol);
    if (known == known_.end() && known_.size() >= k_most) known = find(protocol = "other");
    if (known != known_.end()) return **known;
    known_.push_back(std::make_unique<protocol_traffic>(std::string(protocol)));
    return *known_.back();
}

std::vector<const protocol_traffic*> traffic_board::all() const {
    std::lock_guard lock(mutex_);
    std::vector<const protocol_traffic*> out;
    for (const auto& each : known_) out.push_back(each.get());
    return out;
}

}  // namespace sigrun
