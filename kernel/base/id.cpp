#include "kernel/base/id.hpp"

#include <sys/random.h>

#include <chrono>
#include <stdexcept>

namespace sigrun {
namespace {

constexpr char k_hex[] = "0123456789abcdef";

void os_random(void* out, std::size_t n) {
    auto* p = static_cast<char*>(out);
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) throw std::runtime_error("getrandom failed");
        p += got;
        n -= static_cast<std::size_t>(got);
    }
}

// xoshiro256++ (Blackman, Vigna 2019), the generator's published reference parameters.
struct generator {
    std::uint64_t s[4];
    generator() { os_random(s, sizeof s); }
    static std::uint64_t rotl(std::uint64_t x, int k) noexcept { return (x << k) | (x >> (64 - k)); }
    std::uint64_t next() noexcept {
        const std::uint64_t out = rotl(s[0] + s[3], 23) + s[0];
        const std::uint64_t t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = rotl(s[3], 45);
        return out;
    }
};

int digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::uint64_t random_u64() noexcept {
    thread_local generator g;
    return g.next();
}

std::string random_secret(std::size_t n) {
    std::string raw(n, '\0');
    os_random(raw.data(), n);
    std::string out;
    out.reserve(n * 2);
    for (unsigned char c : raw) {
        out += k_hex[c >> 4];
        out += k_hex[c & 15];
    }
    return out;
}

id id::make() noexcept {
    using namespace std::chrono;
    auto ms = static_cast<std::uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
    std::uint64_t a = random_u64();
    id out;
    out.high = (ms << 16) | 0x7000u | (a & 0xfffu);
    out.low = (random_u64() & 0x3fffffffffffffffull) | 0x8000000000000000ull;
    return out;
}

std::array<char, 36> id::chars() const noexcept {
    std::array<char, 36> out;
    std::size_t at = 0;
    for (int i = 0; i < 32; ++i) {
        if (i == 8 || i == 12 || i == 16 || i == 20) out[at++] = '-';
        std::uint64_t half = i < 16 ? high : low;
        out[at++] = k_hex[(half >> (60 - 4 * (i & 15))) & 15];
    }
    return out;
}

std::optional<id> id::parse(std::string_view t) noexcept {
    if (t.size() != 36) return std::nullopt;
    id out;
    int n = 0;
    for (std::size_t i = 0; i < 36; ++i) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (t[i] != '-') return std::nullopt;
            continue;
        }
        int d = digit(t[i]);
        if (d < 0) return std::nullopt;
        std::uint64_t& half = n < 16 ? out.high : out.low;
        half = (half << 4) | static_cast<std::uint64_t>(d);
        ++n;
    }
    return out;
}

}  // namespace sigrun
