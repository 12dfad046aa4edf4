// Tokens of attempts that have been here and are over: an offer that was stuck on a dying link must not begin one again. The
// last several thousand; of two with the same place the later one counts. Guarded by its owner.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

namespace sigrun {

class ended_tokens {
public:
    void add(std::string_view token) noexcept {
        const auto h = hash(token);
        seen_[h % k_size] = h;
    }
    [[nodiscard]] bool contains(std::string_view token) const noexcept {
        const auto h = hash(token);
        return seen_[h % k_size] == h;
    }

private:
    static constexpr std::size_t k_size = 8192;
    static std::uint64_t hash(std::string_view token) noexcept { return std::hash<std::string_view>{}(token) | 1; }
    std::array<std::uint64_t, k_size> seen_{};
};

}  // namespace sigrun
