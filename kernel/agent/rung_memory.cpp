#include "kernel/agent/rung_memory.hpp"

#include <algorithm>

namespace sigrun {

std::vector<std::size_t> rung_memory::to_try(std::size_t end, bool needed, time_point now) {
    std::vector<std::size_t> all, open;
    if (winner_ && *winner_ < end && now - won_at_ < k_winner_for) all.push_back(*winner_);
    for (std::size_t i = 0; i < std::min(end, gates_.size()); ++i)
        if (all.empty() || all.front() != i) all.push_back(i);
    for (auto i : all)
        if (gates_[i].admit(now)) open.push_back(i);
    return open.empty() && needed ? all : open;
}

void rung_memory::won(std::size_t rung, time_point now) {
    gates_[rung].worked();
    winner_ = rung;
    won_at_ = now;
}

}  // namespace sigrun
