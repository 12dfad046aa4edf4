// The numbers of Valkyrie/1 (SPEC.md): preface, frame header, types, flags, error codes, limits. Pure.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sigrun::valkyrie {

static_assert(std::endian::native == std::endian::little, "fields are stored with memcpy");

inline constexpr std::string_view k_magic{"\x9dVLK1\r\n\x1a", 8};
inline constexpr std::uint16_t k_version = 1;
inline constexpr std::size_t k_preface_size = 12;
inline constexpr std::size_t k_header_size = 12;
inline constexpr std::size_t k_crc_size = 4;

namespace type {
enum : std::uint8_t {
    hello = 0x00,
    ping = 0x01,
    pong = 0x02,
    credit = 0x03,
    batch = 0x04,
    goaway = 0x05,
    reconnect = 0x06,
    call = 0x20,
    reply = 0x21,
    call_end = 0x22,
    offer = 0x23,
    ack = 0x24,
    state = 0x25,
    cancel = 0x26,
    drain = 0x27,
    bye = 0x28,
    facts = 0x29,
    log = 0x40,
    beat = 0x41
};
/// Frames of the connection family belong to no message: they may come between the pieces of one, also on its stream.
inline constexpr bool is_connection(std::uint8_t t) noexcept { return t < 0x20; }
}  // namespace type

namespace flag {
enum : std::uint16_t {
    last = 0x0001,
    error = 0x0002,
    link = 0x0004,
    crc = 0x0008,
    seq = 0x0010,
    ack = 0x0020,
    offset = 0x0040,
    time = 0x0080,
    attempt = 0x0100,
    job_text = 0x0200,
    json = 0x0400,
    payload = 0x0800,
    substream = 0x1000,
    hash = 0x2000,
    more = 0x8000,
    // On a CALL these two bits mean something else.
    params = 0x1000,
    auth = 0x2000
};
}  // namespace flag

enum : std::uint8_t { k_priority_control = 0, k_priority_bulk = 1 };
enum : std::uint32_t { k_stream_connection = 0, k_stream_session = 1, k_stream_session_bulk = 2, k_first_call = 16 };

namespace feature {
enum : std::uint64_t { crc32c = 1, zstd = 2, tls = 4 };  // zstd and tls are reserved: never offered by version 1
}

/// Error codes; the high byte is the class.
namespace code {
enum : std::uint32_t {
    none = 0,
    protocol = 0x0100,
    version = 0x0101,
    feature = 0x0102,
    too_large = 0x0103,
    flags = 0x0104,
    checksum = 0x0105,
    order = 0x0106,
    timeout = 0x0107,
    authentication = 0x0200,
    scheme = 0x0201,
    stream = 0x0300,
    stream_in_use = 0x0301,
    flow_control = 0x0302,
    too_many_streams = 0x0303,
    cancelled = 0x0304,
    job = 0x0400,
    no_session = 0x0401,
    system = 0x0500,
    shutdown = 0x0501,
    stuck = 0x0502
};
}  // namespace code

/// Hard limits of every decoder, whatever was negotiated.
inline constexpr std::uint32_t k_min_frame = 128 * 1024;
inline constexpr std::uint32_t k_max_frame = 16 * 1024 * 1024;
inline constexpr std::uint32_t k_max_message = 64 * 1024 * 1024;
inline constexpr std::uint32_t k_max_hello = 4096;
inline constexpr std::uint32_t k_max_streams = 32768;
inline constexpr std::size_t k_max_assemblies = 2;
inline constexpr std::size_t k_max_method = 128;
inline constexpr std::size_t k_max_job_text = 128;
inline constexpr std::size_t k_max_token = 1024;
inline constexpr std::size_t k_max_auth = 8192;
inline constexpr std::size_t k_max_reason = 1024;
// Body bytes of one piece of a large message: a full LOG frame still fits in one.
inline constexpr std::size_t k_piece = 65 * 1024;

struct frame_header {
    std::uint32_t length = 0;  // bytes after the header, checksum included
    std::uint8_t type = 0;
    std::uint8_t priority = 0;
    std::uint16_t flags = 0;
    std::uint32_t stream = 0;
};

template <class T>
T load(const char* p) noexcept {
    T v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class T>
void store(char* p, T v) noexcept {
    std::memcpy(p, &v, sizeof v);
}

inline frame_header read_header(const char* p) noexcept {
    return {load<std::uint32_t>(p), load<std::uint8_t>(p + 4), load<std::uint8_t>(p + 5), load<std::uint16_t>(p + 6),
            load<std::uint32_t>(p + 8)};
}
inline void write_header(char* p, const frame_header& h) noexcept {
    store(p, h.length);
    store(p + 4, h.type);
    store(p + 5, h.priority);
    store(p + 6, h.flags);
    store(p + 8, h.stream);
}

/// Why input is refused: a code of the wire and a sentence. Falsy = fine. `text` is static.
struct refusal {
    std::uint32_t code = 0;
    const char* text = nullptr;
    explicit operator bool() const noexcept { return code != 0; }
};

}  // namespace sigrun::valkyrie
