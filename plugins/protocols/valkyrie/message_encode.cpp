#include "cursor.hpp"
#include "message.hpp"

#include <limits>

namespace sigrun::valkyrie {

namespace {
std::string_view text(sigrun_str s) noexcept { return {s.ptr, static_cast<std::size_t>(s.len)}; }

constexpr std::size_t k_fixed_bound = k_header_size + 12 * k_max_varint + k_uuid_text;

/// Writes the header in front of what stands between `start` and `end`.
void seal(byte_buffer& out, char* start, const char* end, frame_header header) noexcept {
    auto size = static_cast<std::size_t>(end - start);
    header.length = static_cast<std::uint32_t>(size - k_header_size);
    write_header(start, header);
    out.commit(size);
}

bool too_long(std::size_t bytes) noexcept { return bytes > k_max_message - k_fixed_bound; }

char* put_attempt(char* p, const sigrun_attempt& a, std::uint16_t& flags) noexcept {
    flags |= flag::attempt;
    if (parse_uuid(text(a.job), p)) {
        p += k_uuid_raw;
    } else {
        flags |= flag::job_text;
        p = put_text(p, text(a.job));
    }
    p = put_varint(p, a.number);
    return put_text(p, text(a.token));
}
}  // namespace

refusal encode_session(byte_buffer& out, route to, const sigrun_frame& f, std::string_view payload) {
    auto wire_type = type_of_kind(f.kind);
    if (!wire_type) return {code::protocol, "frame kind: expected one that Valkyrie/1 carries"};
    if (f.flags & ~std::uint32_t{SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR | SIGRUN_FRAME_LINK})
        return {code::flags, "frame flags: expected LAST, ERROR or LINK"};
    if ((f.flags & SIGRUN_FRAME_LINK) && f.kind != SIGRUN_REPLY)
        return {code::flags, "frame flags: LINK is for replies only"};
    const auto* a = f.attempt;
    if (a && (a->job.len > k_max_job_text || a->token.len > k_max_token))
        return {code::too_large, "attempt: expected a job id of at most 128 and a token of at most 1024 bytes"};
    std::size_t variable = static_cast<std::size_t>(f.json.len) + payload.size() +
                           (a ? static_cast<std::size_t>(a->job.len + a->token.len) : 0);
    if (too_long(variable)) return {code::too_large, "frame: json and payload exceed the largest message"};

    char* start = out.room(k_fixed_bound + variable);
    char* p = start + k_header_size;
    auto flags = static_cast<std::uint16_t>(f.flags);
    auto number = [&](std::uint64_t value, std::uint16_t present) {
        if (!value) return;
        flags = static_cast<std::uint16_t>(flags | present);
        p = put_varint(p, value);
    };
    number(f.seq, flag::seq);
    number(f.ack, flag::ack);
    number(f.stream, flag::substream);
    number(f.offset, flag::offset);
    number(f.time_ns, flag::time);
    number(f.hash, flag::hash);
    if (a) p = put_attempt(p, *a, flags);
    // Refused here, where it is one frame's problem; the peer would end the connection.
    if (!sdk::is_utf8(text(f.json)) ||
        (a && (!sdk::is_utf8(text(a->token)) || ((flags & flag::job_text) && !sdk::is_utf8(text(a->job))))))
        return {code::protocol, "frame: expected UTF-8 texts"};
    if (f.json.len) {
        flags |= flag::json;
        p = put_text(p, text(f.json));
    }
    if (f.payload || !payload.empty()) {
        flags |= flag::payload;
        p = put_bytes(p, payload);
    }
    seal(out, start, p, {0, *wire_type, to.priority, flags, to.stream});
    return {};
}

refusal encode_call(byte_buffer& out, route to, const sigrun_call& call, std::uint64_t left_us,
                    std::string_view payload) {
    if (call.method.len == 0 || call.method.len > k_max_method)
        return {code::too_large, "call method: expected 1 to 128 bytes"};
    if (call.auth.len > k_max_auth) return {code::too_large, "call auth: expected at most 8192 bytes"};
    std::size_t variable =
        static_cast<std::size_t>(call.method.len + call.params.len + call.auth.len + call.json.len) + payload.size();
    if (too_long(variable)) return {code::too_large, "call: json and payload exceed the largest message"};
    for (auto t : {call.method, call.params, call.auth, call.json})
        if (!sdk::is_utf8(text(t))) return {code::protocol, "call: expected UTF-8 texts"};

    char* start = out.room(k_fixed_bound + variable);
    char* p = put_text(start + k_header_size, text(call.method));
    std::uint16_t flags = 0;
    auto optional = [&](sigrun_str value, std::uint16_t present) {
        if (!value.len) return;
        flags = static_cast<std::uint16_t>(flags | present);
        p = put_text(p, text(value));
    };
    optional(call.params, flag::params);
    optional(call.auth, flag::auth);
    if (left_us) {
        flags |= flag::time;
        p = put_varint(p, left_us);
    }
    optional(call.json, flag::json);
    if (call.payload || !payload.empty()) {
        flags |= flag::payload;
        p = put_bytes(p, payload);
    }
    seal(out, start, p, {0, type::call, to.priority, flags, to.stream});
    return {};
}

void encode_ping(byte_buffer& out, std::uint8_t ping_or_pong, std::uint64_t opaque) {
    char* start = out.room(k_header_size + sizeof opaque);
    store(start + k_header_size, opaque);
    seal(out, start, start + k_header_size + sizeof opaque, {0, ping_or_pong, k_priority_control, 0, 0});
}

void encode_credit(byte_buffer& out, std::uint32_t stream, std::uint64_t bytes) {
    char* start = out.room(k_header_size + k_max_varint);
    char* end = put_varint(start + k_header_size, bytes);
    seal(out, start, end, {0, type::credit, k_priority_control, 0, stream});
}

void encode_reason(byte_buffer& out, std::uint8_t wire_type, route to, std::uint32_t reason_code,
                   std::string_view reason) {
    reason = reason.substr(0, k_max_reason);
    char* start = out.room(k_header_size + k_max_varint + reason.size());
    char* end = put_bytes(put_varint(start + k_header_size, reason_code), reason);
    seal(out, start, end, {0, wire_type, to.priority, 0, to.stream});
}

void encode_reconnect(byte_buffer& out, std::string_view json) {
    char* start = out.room(k_header_size + k_max_varint + json.size());
    char* end = put_text(start + k_header_size, json);
    seal(out, start, end, {0, type::reconnect, k_priority_control, flag::json, k_stream_connection});
}

std::uint64_t attempt_key(const sigrun_attempt* attempt) noexcept {
    if (!attempt) return 0;
    std::uint64_t h = 0xcbf29ce484222325u ^ attempt->number;
    for (std::uint64_t i = 0; i < attempt->job.len; ++i)
        h = (h ^ static_cast<unsigned char>(attempt->job.ptr[i])) * 0x100000001b3u;
    return h | 1;  // 0 = no attempt
}

}  // namespace sigrun::valkyrie
