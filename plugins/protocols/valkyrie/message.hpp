// Session frames, calls and small control messages to and from bytes. Pure; decoding allocates nothing,
// encoding only grows the buffer it appends to. What a decoded message points to belongs to the body it was
// decoded from.
#pragma once

#include "byte_buffer.hpp"
#include "uuid_text.hpp"
#include "wire.hpp"

#include <sigrun/base.h>

#include <optional>

namespace sigrun::valkyrie {

/// Wire type of a frame kind (SIGRUN_HELLO ... SIGRUN_REPLY), or nothing: this version cannot carry it.
std::optional<std::uint8_t> type_of_kind(std::uint32_t kind) noexcept;
/// Kind of a wire type that carries a session frame or a reply, or 0.
std::uint32_t kind_of_type(std::uint8_t type) noexcept;
/// Flags that a frame of this type may have; nothing for a type this version does not know.
std::optional<std::uint16_t> allowed_flags(std::uint8_t type) noexcept;

/// Where an encoded message goes.
struct route {
    std::uint32_t stream = 0;
    std::uint8_t priority = k_priority_control;
};

/// Appends one frame. A refusal leaves `out` as it was.
refusal encode_session(byte_buffer& out, route to, const sigrun_frame& frame, std::string_view payload);
/// `left_us`: time left until the deadline, 0 = none.
refusal encode_call(byte_buffer& out, route to, const sigrun_call& call, std::uint64_t left_us,
                    std::string_view payload);
void encode_ping(byte_buffer& out, std::uint8_t ping_or_pong, std::uint64_t opaque);
void encode_credit(byte_buffer& out, std::uint32_t stream, std::uint64_t bytes);
/// GOAWAY (stream 0) or CALL_END; a long reason is cut.
void encode_reason(byte_buffer& out, std::uint8_t type, route to, std::uint32_t code, std::string_view reason);

/// RECONNECT: `json` is that of a BYE, for a connection that carries no session.
void encode_reconnect(byte_buffer& out, std::string_view json);

struct session_message {
    session_message() = default;
    session_message(const session_message&) = delete;
    session_message& operator=(const session_message&) = delete;

    sigrun_frame frame{};  // payload is NULL: the bytes are in `payload`
    sigrun_attempt attempt{};
    std::string_view payload;
    bool has_payload = false;
    char job_text[k_uuid_text];
};
refusal decode_session(const frame_header& header, std::string_view body, session_message& out) noexcept;
/// What a RECONNECT says is what a BYE with the same body says.
inline frame_header as_bye(frame_header reconnect) noexcept {
    reconnect.type = type::bye;
    return reconnect;
}

struct call_message {
    std::string_view method, params, auth, json, payload;
    bool has_payload = false;
    std::uint64_t left_us = 0;
};
refusal decode_call(const frame_header& header, std::string_view body, call_message& out) noexcept;

refusal decode_ping(std::string_view body, std::uint64_t& opaque) noexcept;
refusal decode_credit(std::string_view body, std::uint64_t& bytes) noexcept;
struct reason_message {
    std::uint64_t code = 0;
    std::string_view text;
};
refusal decode_reason(std::string_view body, reason_message& out) noexcept;

/// A number that is the same for frames of the same attempt (and, rarely, of another one).
std::uint64_t attempt_key(const sigrun_attempt* attempt) noexcept;

}  // namespace sigrun::valkyrie
