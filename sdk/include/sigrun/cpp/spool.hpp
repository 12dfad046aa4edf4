// sigrun/cpp/spool.hpp: the parts of a spool (sigrun/shim.h) that its writer and its readers share. Header-only, pure, [any].
#pragma once

#include <sigrun/cpp/crc32c.hpp>
#include <sigrun/shim.h>

namespace sigrun::sdk {

/// The checksum of a head, mark, end or record: everything in it but the checksum, mixed with the attempt's nonce.
template <class Part>
std::uint32_t spool_checksum(std::uint64_t nonce, Part part, std::string_view piece = {}) noexcept {
    part.checksum = 0;
    return crc32c().feed(&nonce, sizeof nonce).feed(&part, sizeof part).feed(piece).value();
}

/// The nonce of the attempt with this fencing token: a spool of an earlier attempt in the same folder has another. FNV-1a.
inline std::uint64_t spool_nonce(std::string_view token) noexcept {
    std::uint64_t h = 0xcbf29ce484222325u;
    for (char c : token) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return h;
}

template <class Part>
void seal(std::uint64_t nonce, Part& part, std::string_view piece = {}) noexcept {
    part.checksum = spool_checksum(nonce, part, piece);
}

template <class Part>
bool sealed(std::uint64_t nonce, const Part& part, std::string_view piece = {}) noexcept {
    return part.checksum == spool_checksum(nonce, part, piece);
}

}  // namespace sigrun::sdk
