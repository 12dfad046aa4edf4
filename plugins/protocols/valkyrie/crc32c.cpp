#include "crc32c.hpp"

#include <boost/crc.hpp>

#include <cstring>

namespace sigrun::valkyrie {

std::uint32_t crc32c_portable(std::string_view a, std::string_view b) noexcept {
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_bytes(a.data(), a.size());
    crc.process_bytes(b.data(), b.size());
    return crc.checksum();
}

#if defined(__x86_64__)
namespace {
__attribute__((target("sse4.2"))) std::uint64_t feed(std::uint64_t crc, std::string_view bytes) noexcept {
    const char* p = bytes.data();
    std::size_t n = bytes.size();
    for (; n >= 8; p += 8, n -= 8) {
        std::uint64_t word;
        std::memcpy(&word, p, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; n; ++p, --n) crc = __builtin_ia32_crc32qi(static_cast<std::uint32_t>(crc), static_cast<unsigned char>(*p));
    return crc;
}
}  // namespace

std::uint32_t crc32c(std::string_view a, std::string_view b) noexcept {
    static const bool fast = __builtin_cpu_supports("sse4.2");
    if (!fast) return crc32c_portable(a, b);
    return ~static_cast<std::uint32_t>(feed(feed(0xFFFFFFFF, a), b));
}
#else
std::uint32_t crc32c(std::string_view a, std::string_view b) noexcept { return crc32c_portable(a, b); }
#endif

}  // namespace sigrun::valkyrie
