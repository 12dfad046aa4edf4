#include "kernel/link/protocol_table.hpp"

namespace sigrun {

std::uint8_t protocol_table::find(std::string_view name) const noexcept {
    const auto n = size();
    for (std::size_t i = 0; i < n; ++i)
        if (names_[i] == name) return static_cast<std::uint8_t>(i);
    return k_none;
}

std::uint8_t protocol_table::add(std::string_view name) {
    if (auto known = find(name); known != k_none) return known;
    std::lock_guard lock(adding_);
    if (auto known = find(name); known != k_none) return known;
    const auto n = size();
    if (n == k_capacity) return k_none;
    names_[n] = name;
    size_.store(n + 1, std::memory_order_release);
    return static_cast<std::uint8_t>(n);
}

}  // namespace sigrun
