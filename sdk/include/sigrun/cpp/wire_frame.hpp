// sigrun/cpp/wire_frame.hpp: a session frame that owns its content, between a protocol's wire and the ABI.
#pragma once

#include <sigrun/cpp/host.hpp>
#include <sigrun/cpp/json_text.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::sdk {

struct wire_frame {
    std::uint32_t kind = 0;
    std::uint32_t flags = 0;
    std::uint32_t stream = 0;
    std::uint64_t seq = 0;
    std::uint64_t offset = 0;
    std::uint64_t time_ns = 0;
    std::optional<std::uint32_t> attempt;  // number
    std::string job;
    std::string token;
    std::string json;
    std::string payload;
    bool has_payload = false;  // false: no payload; an empty one is true with no bytes
    std::string session;       // on a reply with FRAME_LINK, where the protocol has names for sessions

    /// Bytes of memory, for those who keep frames up to a limit; names of jobs do not count.
    std::size_t kept_size() const noexcept { return sizeof *this + json.size() + payload.size(); }
};

/// Copies everything out of an ABI frame; `payload` is the content of frame.payload.
inline wire_frame copy_frame(const sigrun_frame& frame, std::string_view payload) {
    wire_frame f;
    f.kind = frame.kind;
    f.flags = frame.flags;
    f.stream = frame.stream;
    f.offset = frame.offset;
    f.time_ns = frame.time_ns;
    if (frame.attempt) {
        f.attempt = frame.attempt->number;
        f.job = view(frame.attempt->job);
        f.token = view(frame.attempt->token);
    }
    f.json = view(frame.json);
    f.payload = payload;
    f.has_payload = frame.payload != nullptr;
    return f;
}

/// Hands a frame to a sink; its payload becomes a host buffer. What the sink answered.
inline sigrun_result deliver_frame(const host& h, const sigrun_sink& sink, const wire_frame& f) {
    const sigrun_attempt attempt{sizeof attempt, f.attempt.value_or(0), str(f.job), str(f.token)};
    buffer payload;
    if (f.has_payload) payload = buffer(h, f.payload);
    const sigrun_frame frame{
        sizeof frame, f.kind,       f.flags, f.stream, f.seq, 0, f.offset, f.time_ns, 0, f.attempt ? &attempt : nullptr,
        str(f.json),  payload.get()};
    return sink.on_frame(sink.ctx, &frame);
}

/// BYE with FRAME_LAST; `reason` is text, or a JSON object that is passed on.
inline void deliver_bye(const sigrun_sink& sink, std::string_view reason) {
    std::string json(reason);
    if (json.empty() || json[0] != '{') {
        json_members m;
        m.text("reason", reason);
        json = m.finish();
    }
    sigrun_frame bye{};
    bye.struct_size = sizeof bye;
    bye.kind = SIGRUN_BYE;
    bye.flags = SIGRUN_FRAME_LAST;
    bye.json = str(json);
    sink.on_frame(sink.ctx, &bye);
}

}  // namespace sigrun::sdk
