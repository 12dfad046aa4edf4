// The names of protocols by id, in the order in which they were first seen. A name is only ever added: a plugin that
// comes at run time may speak a new protocol, and one that goes leaves its runners' records.
//
// [any]. Readers take no lock.
#pragma once

#include "kernel/link/rung_score.hpp"
#include "kernel/select/selector.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace sigrun {

/// Its bit in a mask of protocols; 0 if it has none, and is not used for jobs then.
constexpr protocol_mask protocol_bit(std::uint8_t protocol) noexcept {
    return protocol < k_max_protocols ? static_cast<protocol_mask>(1u << protocol) : protocol_mask{0};
}

class protocol_table {
public:
    static constexpr std::size_t k_capacity = 64;
    static constexpr std::uint8_t k_none = 0xff;

    /// Its id, a new one if it was never seen; k_none once the table is full.
    std::uint8_t add(std::string_view name);
    /// k_none if it was never seen.
    std::uint8_t find(std::string_view name) const noexcept;
    std::size_t size() const noexcept { return size_.load(std::memory_order_acquire); }
    /// "unknown" if there is none by this id. Valid as long as the table.
    std::string_view name(std::size_t id) const noexcept {
        return id < k_capacity && id < size() ? std::string_view(names_[id]) : std::string_view("unknown");
    }

private:
    std::mutex adding_;
    std::array<std::string, k_capacity> names_;  // those below size_ do not change
    std::atomic<std::size_t> size_{0};
};

}  // namespace sigrun
