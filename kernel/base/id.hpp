// 128-bit ids, time ordered, printed as UUID text (version 7, RFC 9562).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun {

struct id {
    std::uint64_t high = 0;  // 48 bits of milliseconds, version, 12 random bits
    std::uint64_t low = 0;   // variant, 62 random bits; the low 6 select a shard

    /// A new id from the wall clock and the thread's random generator. Thread-safe, no lock.
    static id make() noexcept;
    static std::optional<id> parse(std::string_view uuid_text) noexcept;
    std::array<char, 36> chars() const noexcept;
    std::string text() const {
        auto c = chars();
        return {c.data(), c.size()};
    }
    std::uint32_t shard() const noexcept { return static_cast<std::uint32_t>(low & 63u); }
    explicit operator bool() const noexcept { return high || low; }
    friend auto operator<=>(const id&, const id&) = default;
};

/// A fast thread-local generator, seeded from the operating system. Not for secrets.
std::uint64_t random_u64() noexcept;
/// `n` bytes of the operating system's random generator as lower-case hex; for keys and tickets.
std::string random_secret(std::size_t n);

}  // namespace sigrun

template <>
struct std::hash<sigrun::id> {
    std::size_t operator()(const sigrun::id& i) const noexcept { return i.high * 0x9E3779B97F4A7C15ull ^ i.low; }
};
