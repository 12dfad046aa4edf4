// Session frames and calls to and from the messages of sigrun/v1/sessions.proto. Pure.
#pragma once

#include "sigrun/v1/sessions.pb.h"

#include <sigrun/base.h>

#include <optional>
#include <string>
#include <string_view>

namespace sigrun::grpc {

/// LOG bytes that may be sent before the other side has granted more (sessions.proto).
inline constexpr std::uint64_t k_log_window = 512 << 10;

/// A SessionMessage with the frame, as it goes over the wire; nothing if a text is no UTF-8.
std::optional<std::string> encode_frame(const sigrun_frame& frame, std::string_view payload);
std::string encode_log_credit(std::uint64_t bytes);
std::string encode_ping(std::uint64_t id);
std::string encode_pong(std::uint64_t id);
/// `left_us`: 0 = no deadline. Nothing if a text is no UTF-8.
std::optional<std::string> encode_call(const sigrun_call& call, std::string_view payload, std::uint64_t left_us);

/// Nothing, or what is wrong with a frame that a peer sent: its kind, its attempt, the size of a LOG.
std::optional<std::string> fault_of(const v1::Frame& frame);

/// The view of a decoded frame that a sink takes; `payload` is set by the caller. Borrows from `of`.
struct frame_view {
    explicit frame_view(const v1::Frame& of);
    frame_view(const frame_view&) = delete;
    frame_view& operator=(const frame_view&) = delete;
    sigrun_frame frame{};

private:
    sigrun_attempt attempt_{};
};

/// A number that is the same for frames of the same attempt (and, rarely, of another one); 0 = no attempt.
std::uint64_t attempt_key(const sigrun_attempt* attempt) noexcept;
std::uint64_t attempt_key(const v1::Frame& frame) noexcept;

/// JSON of a BYE. `reason` is text, or a JSON object that is passed on.
std::string bye_json(std::string_view reason);
extern const std::string_view k_reconnect_json;

}  // namespace sigrun::grpc
