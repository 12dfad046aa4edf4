// Which wire type carries which frame kind, and which flags each may have.
#include "message.hpp"

namespace sigrun::valkyrie {

namespace {
constexpr std::uint16_t k_session_flags = flag::last | flag::error | flag::crc | flag::seq | flag::ack | flag::offset |
                                          flag::time | flag::attempt | flag::job_text | flag::json | flag::payload |
                                          flag::substream | flag::hash | flag::more;
constexpr std::uint16_t k_call_flags =
    flag::crc | flag::time | flag::json | flag::payload | flag::params | flag::auth | flag::more;
}  // namespace

std::optional<std::uint8_t> type_of_kind(std::uint32_t kind) noexcept {
    switch (kind) {
        case SIGRUN_HELLO: return type::facts;
        case SIGRUN_OFFER: return type::offer;
        case SIGRUN_ACK: return type::ack;
        case SIGRUN_LOG: return type::log;
        case SIGRUN_STATE: return type::state;
        case SIGRUN_BEAT: return type::beat;
        case SIGRUN_CANCEL: return type::cancel;
        case SIGRUN_DRAIN: return type::drain;
        case SIGRUN_BYE: return type::bye;
        case SIGRUN_REPLY: return type::reply;
        default: return std::nullopt;
    }
}

std::uint32_t kind_of_type(std::uint8_t wire_type) noexcept {
    switch (wire_type) {
        case type::facts: return SIGRUN_HELLO;
        case type::offer: return SIGRUN_OFFER;
        case type::ack: return SIGRUN_ACK;
        case type::log: return SIGRUN_LOG;
        case type::state: return SIGRUN_STATE;
        case type::beat: return SIGRUN_BEAT;
        case type::cancel: return SIGRUN_CANCEL;
        case type::drain: return SIGRUN_DRAIN;
        case type::bye: return SIGRUN_BYE;
        case type::reply: return SIGRUN_REPLY;
        default: return 0;
    }
}

std::optional<std::uint16_t> allowed_flags(std::uint8_t wire_type) noexcept {
    switch (wire_type) {
        case type::hello: return std::uint16_t{0};
        case type::ping:
        case type::pong:
        case type::credit:
        case type::batch:
        case type::goaway:
        case type::call_end: return std::uint16_t{flag::crc};
        case type::reconnect: return std::uint16_t{flag::crc | flag::json};
        case type::call: return k_call_flags;
        case type::reply: return static_cast<std::uint16_t>(k_session_flags | flag::link);
        default: break;
    }
    if (kind_of_type(wire_type)) return k_session_flags;
    return std::nullopt;
}

}  // namespace sigrun::valkyrie
