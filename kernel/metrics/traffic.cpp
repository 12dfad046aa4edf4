#include "kernel/metrics/traffic.hpp"

namespace sigrun {

protocol_traffic& traffic_board::of(std::string_view protocol) {
    std::lock_guard lock(mutex_);
    if (known_.size() >= k_most) {
        bool there = false;
        for (const auto& each : known_) there = there || each.first == protocol;
        if (!there) protocol = "other";
    }
    for (const auto& [name, traffic] : known_)
        if (name == protocol) return *traffic;
    known_.emplace_back(std::string(protocol), std::make_unique<protocol_traffic>());
    return *known_.back().second;
}

std::vector<std::pair<std::string, const protocol_traffic*>> traffic_board::all() const {
    std::lock_guard lock(mutex_);
    std::vector<std::pair<std::string, const protocol_traffic*>> out;
    for (const auto& [name, traffic] : known_) out.emplace_back(name, traffic.get());
    return out;
}

}  // namespace sigrun
