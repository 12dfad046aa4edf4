// This protocol, for the tests that all have in common (pair/).
#pragma once

#include <cstddef>

#define SIGRUN_LINK_SUITE websocket_link
#define SIGRUN_RETIRE_SUITE websocket_retire
#define SIGRUN_PROTOCOL_NAME websocket

namespace this_protocol {

constexpr const char *k_component = "websocket", *k_scheme = "ws";
/// An option with two values, under both of which everything works.
constexpr const char *k_variant = "compression", *k_variant_off = "off", *k_variant_on = "offer";
constexpr bool k_frames_are_numbered = false;
constexpr const char* k_call_limit = "max_calls";
constexpr bool k_caller_knows_the_limit = false;  // the peer answers that it is busy
/// Of 10 kB, far more than is under way at once, and how many may be: 4 MiB at the caller, 256 KiB here, and what the sockets
/// take.
constexpr std::size_t k_streamed_frames = 4000, k_streamed_at_once = 2500;

}  // namespace this_protocol
