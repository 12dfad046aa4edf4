// Session frames as JSON, the form they have inside /v1/sessions/{token}/frames and /v1/call/{method}:
//   {"kind":"offer","flags":1,"seq":7,"attempt":{"job":"..","number":1,"token":".."},"stream":1,"offset":9,
//    "time_ns":5,"json":{..},"payload":"base64"}
// Members that are zero or empty are left out. Pure.
#pragma once

#include "wire/mismatch.hpp"

#include <sigrun/base.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::http {

/// A frame that owns its content.
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
    std::string session;       // on a reply with FRAME_LINK: the token of the session it opened
};

/// Transport-only frame of this protocol: its acknowledgement proves a round trip, nobody else sees it.
inline constexpr std::uint32_t k_kind_ping = 0;

/// Media type of a call's body that is a frame: a document together with a payload.
inline constexpr std::string_view k_frame_type = "application/vnd.sigrun.frame+json";

/// Empty for a kind this protocol does not know.
std::string_view kind_name(std::uint32_t kind) noexcept;
std::string encode_frame(const wire_frame& frame);
/// Copies everything out of an ABI frame; `payload` is the content of frame.payload.
wire_frame copy_frame(const sigrun_frame& frame, std::string_view payload);

/// One frame object, or nothing and `why`. Unknown members are ignored, so that newer peers can add some; an
/// unknown kind is an error, because dropping it silently would lose work.
std::optional<wire_frame> decode_frame(std::string_view text, mismatch& why);
/// A JSON array of frames.
std::optional<std::vector<wire_frame>> decode_frames(std::string_view text, mismatch& why);

}  // namespace sigrun::http
