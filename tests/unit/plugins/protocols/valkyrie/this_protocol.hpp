// This protocol, for the tests that all have in common (pair/).
#pragma once

#include <cstddef>

#define SIGRUN_LINK_SUITE valkyrie_link
#define SIGRUN_RETIRE_SUITE valkyrie_retire
#define SIGRUN_PROTOCOL_NAME valkyrie

namespace this_protocol {

constexpr const char *k_component = "valkyrie", *k_scheme = "valkyrie";
/// An option with two values, under both of which everything works.
constexpr const char *k_variant = "crc", *k_variant_off = "off", *k_variant_on = "on";
constexpr bool k_frames_are_numbered = true;  // seq and ack travel
constexpr const char* k_call_limit = "max_streams";
constexpr bool k_caller_knows_the_limit = true;  // else the peer answers that it is busy
/// Of 10 kB, far more than is under way at once, and how many may be: the call's window is 256 KiB.
constexpr std::size_t k_streamed_frames = 400, k_streamed_at_once = 40;

}  // namespace this_protocol
