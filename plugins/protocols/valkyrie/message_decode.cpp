#include "cursor.hpp"
#include "message.hpp"

#include <limits>

namespace sigrun::valkyrie {

namespace {
sigrun_str borrowed(std::string_view s) noexcept { return {s.data(), s.size()}; }

constexpr refusal k_truncated{code::protocol, "body: a field is longer than the frame or than its limit"};
constexpr refusal k_no_text{code::protocol, "body: a text is not UTF-8"};

/// Everything after the last field: the payload if announced, else nothing may be left.
refusal finish(cursor& in, bool has_payload, std::string_view& payload) noexcept {
    if (in.failed()) return in.bad_text() ? k_no_text : k_truncated;
    if (has_payload) {
        payload = in.rest();
    } else if (!in.at_end()) {
        return {code::protocol, "body: bytes after the last field"};
    }
    return {};
}
}  // namespace

refusal decode_session(const frame_header& header, std::string_view body, session_message& out) noexcept {
    auto flags = header.flags;
    auto& f = out.frame;
    f = {};
    f.struct_size = sizeof f;
    f.kind = kind_of_type(header.type);
    f.flags = flags & (SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR | SIGRUN_FRAME_LINK);
    if (!f.kind) return {code::protocol, "type: expected a session frame"};

    cursor in(body);
    if (flags & flag::seq) f.seq = in.varint();
    if (flags & flag::ack) f.ack = in.varint();
    if (flags & flag::substream) {
        auto stream = in.varint();
        if (stream > std::numeric_limits<std::uint32_t>::max()) return {code::protocol, "substream: expected 32 bits"};
        f.stream = static_cast<std::uint32_t>(stream);
    }
    if (flags & flag::offset) f.offset = in.varint();
    if (flags & flag::time) f.time_ns = in.varint();
    if (flags & flag::hash) f.hash = in.varint();
    if (flags & flag::attempt) {
        auto& a = out.attempt;
        a = {};
        a.struct_size = sizeof a;
        if (flags & flag::job_text) {
            a.job = borrowed(in.text(k_max_job_text));
        } else if (auto raw = in.bytes(k_uuid_raw); !in.failed()) {
            format_uuid(raw.data(), out.job_text);
            a.job = {out.job_text, k_uuid_text};
        }
        auto number = in.varint();
        if (number > std::numeric_limits<std::uint32_t>::max())
            return {code::protocol, "attempt number: expected 32 bits"};
        a.number = static_cast<std::uint32_t>(number);
        a.token = borrowed(in.text(k_max_token));
        f.attempt = &a;
    } else if (flags & flag::job_text) {
        return {code::flags, "flags: JOB_TEXT without ATTEMPT"};
    }
    if (flags & flag::json) f.json = borrowed(in.text(k_max_message));
    out.has_payload = (flags & flag::payload) != 0;
    out.payload = {};
    if (auto bad = finish(in, out.has_payload, out.payload)) return bad;
    if (header.type == type::log && out.payload.size() > SIGRUN_LOG_MAX)
        return {code::too_large, "LOG payload: expected at most 65536 bytes"};
    return {};
}

refusal decode_call(const frame_header& header, std::string_view body, call_message& out) noexcept {
    auto flags = header.flags;
    cursor in(body);
    out = {};
    out.method = in.text(k_max_method);
    if (flags & flag::params) out.params = in.text(k_max_message);
    if (flags & flag::auth) out.auth = in.text(k_max_auth);
    if (flags & flag::time) out.left_us = in.varint();
    if (flags & flag::json) out.json = in.text(k_max_message);
    out.has_payload = (flags & flag::payload) != 0;
    if (auto bad = finish(in, out.has_payload, out.payload)) return bad;
    if (out.method.empty()) return {code::protocol, "call method: expected 1 to 128 bytes"};
    return {};
}

refusal decode_ping(std::string_view body, std::uint64_t& opaque) noexcept {
    if (body.size() != sizeof opaque) return {code::protocol, "PING: expected 8 bytes"};
    opaque = load<std::uint64_t>(body.data());
    return {};
}

refusal decode_credit(std::string_view body, std::uint64_t& bytes) noexcept {
    cursor in(body);
    bytes = in.varint();
    if (in.failed() || !in.at_end()) return {code::protocol, "CREDIT: expected one number"};
    if (bytes == 0 || bytes > std::numeric_limits<std::uint32_t>::max())
        return {code::flow_control, "CREDIT: expected 1 to 4294967295 bytes"};
    return {};
}

refusal decode_reason(std::string_view body, reason_message& out) noexcept {
    cursor in(body);
    out.code = in.varint();
    if (in.failed()) return k_truncated;
    out.text = in.rest();
    if (out.text.size() > k_max_reason) return {code::too_large, "reason: expected at most 1024 bytes"};
    return {};
}

}  // namespace sigrun::valkyrie
