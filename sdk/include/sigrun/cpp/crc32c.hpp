// sigrun/cpp/crc32c.hpp: CRC32C (Castagnoli), by the processor's instruction where it has one. Header-only, pure, [any].
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sigrun::sdk {

namespace crc_detail {

inline constexpr std::array<std::uint32_t, 256> k_table = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0u);
        table[i] = crc;
    }
    return table;
}();

inline std::uint32_t feed_portable(std::uint32_t crc, const char* p, std::size_t n) noexcept {
    for (; n; ++p, --n) crc = (crc >> 8) ^ k_table[(crc ^ static_cast<unsigned char>(*p)) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) inline std::uint32_t feed_fast(std::uint32_t start, const char* p,
                                                                 std::size_t n) noexcept {
    std::uint64_t crc = start;
    for (; n >= 8; p += 8, n -= 8) {
        std::uint64_t word;
        std::memcpy(&word, p, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; n; ++p, --n) crc = __builtin_ia32_crc32qi(static_cast<std::uint32_t>(crc), static_cast<unsigned char>(*p));
    return static_cast<std::uint32_t>(crc);
}
#endif

}  // namespace crc_detail

/// A checksum in the making: feed it in pieces of any size. The result does not depend on where they are cut.
class crc32c {
public:
    crc32c& feed(const void* bytes, std::size_t n) noexcept {
#if defined(__x86_64__)
        static const bool fast = __builtin_cpu_supports("sse4.2");
        state_ = fast ? crc_detail::feed_fast(state_, static_cast<const char*>(bytes), n)
                      : crc_detail::feed_portable(state_, static_cast<const char*>(bytes), n);
#else
        state_ = crc_detail::feed_portable(state_, static_cast<const char*>(bytes), n);
#endif
        return *this;
    }
    crc32c& feed(std::string_view bytes) noexcept { return feed(bytes.data(), bytes.size()); }
    std::uint32_t value() const noexcept { return ~state_; }

private:
    std::uint32_t state_ = 0xFFFFFFFFu;
};

}  // namespace sigrun::sdk
