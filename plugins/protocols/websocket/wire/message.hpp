// Messages of the subprotocol sigrun.v1 (PROTOCOL.md): text is a JSON object, binary is such an object with bytes beside it.
// Pure.
#pragma once

#include <sigrun/base.h>
#include <sigrun/cpp/frame_json.hpp>
#include <sigrun/cpp/mismatch.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::websocket {

inline constexpr std::string_view k_subprotocol = "sigrun.v1";
inline constexpr std::string_view k_path = "/v1/session";
/// Numbers of calls are at most this, so that they survive a double.
inline constexpr std::uint64_t k_last_id = (std::uint64_t{1} << 53) - 1;

/// What is sent, as one WebSocket message.
struct packed {
    std::string bytes;
    bool binary = false;
};

enum class sort { call, end, reply, session };

/// What arrived.
struct message {
    sort what = sort::session;
    std::uint64_t id = 0;  // of a call, end or reply
    std::string method;    // a call
    std::string params;
    std::string auth;
    std::uint64_t deadline_ms = 0;  // a call: what is left; 0 = none
    sdk::wire_frame frame;          // a reply or session frame; of a call its json and payload
};

/// A session frame or, with an id, a reply. Nothing if a text in it is not UTF-8, or its kind has no name.
std::optional<packed> pack_frame(const sigrun_frame& frame, std::string_view payload, std::uint64_t id = 0);
/// `left_ms`: what is left until its deadline, 0 = none.
std::optional<packed> pack_call(const sigrun_call& call, std::string_view payload, std::uint64_t id,
                                std::uint64_t left_ms);
packed pack_end(std::uint64_t id);

/// Nothing and `why` if the bytes are no message. `call_id` is then the number of the call that could not be understood, 0 if
/// there is none to answer.
std::optional<message> unpack(std::string_view bytes, bool binary, sdk::mismatch& why, std::uint64_t& call_id);

}  // namespace sigrun::websocket
