// Session frames as JSON (sigrun/cpp/frame_json.hpp), the form they have inside /v1/sessions/{token}/frames and
// /v1/call/{method}.
#pragma once

#include "wire/text.hpp"

#include <sigrun/cpp/frame_json.hpp>

namespace sigrun::http {

using sdk::copy_frame;
using sdk::decode_frame;
using sdk::decode_frames;
using sdk::encode_frame;
using sdk::k_kind_ping;  // its acknowledgement proves a round trip
using sdk::kind_name;
using sdk::wire_frame;

/// Media type of a call's body that is a frame: a document together with a payload.
inline constexpr std::string_view k_frame_type = "application/vnd.sigrun.frame+json";

}  // namespace sigrun::http
