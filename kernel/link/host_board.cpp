#include "kernel/link/host_board.hpp"

#include <algorithm>

namespace sigrun {

std::string host_of(const fact_sheet& facts) {
    const auto boot = facts.find("host.boot_id");
    if (!boot) return {};
    const fact f = boot.to_fact();
    return f.value.is_string() ? std::string(f.value.get_string()) : std::string();
}

void host_board::put(const std::shared_ptr<member>& m, std::string host) {
    std::lock_guard lock(mutex_);
    const auto known = host_of_.find(m.get());
    if (known == host_of_.end() ? host.empty() : known->second == host) return;
    take_out(*m);
    if (host.empty()) return;
    on_[host].push_back(m);
    host_of_[m.get()] = std::move(host);
}

void host_board::remove(const member& m) {
    std::lock_guard lock(mutex_);
    take_out(m);
}

void host_board::take_out(const member& m) {
    const auto known = host_of_.find(&m);
    if (known == host_of_.end()) return;
    const auto there = on_.find(known->second);
    std::erase_if(there->second, [&](const auto& each) {
        const auto held = each.lock();
        return !held || held.get() == &m;
    });
    if (there->second.empty()) on_.erase(there);
    host_of_.erase(known);
}

std::vector<std::shared_ptr<member>> host_board::others_beside(const member& m) const {
    std::vector<std::shared_ptr<member>> out;
    std::lock_guard lock(mutex_);
    const auto known = host_of_.find(&m);
    if (known == host_of_.end()) return out;
    for (const auto& each : on_.at(known->second)) {
        auto held = each.lock();
        if (held && held.get() != &m && out.size() < k_most) out.push_back(std::move(held));
    }
    return out;
}

}  // namespace sigrun
