// The handshake: preface, HELLO, and what two HELLOs agree on. Pure.
#pragma once

#include "byte_buffer.hpp"
#include "wire.hpp"

#include <array>

namespace sigrun::valkyrie {

using nonce = std::array<char, 16>;

struct hello {
    std::uint16_t version_min = k_version;
    std::uint16_t version_max = k_version;
    std::uint32_t max_frame = 1024 * 1024;
    std::uint32_t max_message = k_max_frame;
    std::uint32_t max_streams = 1024;
    std::uint32_t log_window = 1024 * 1024;
    std::uint32_t call_window = 256 * 1024;
    std::uint64_t features = 0;
    std::uint64_t required = 0;
    nonce mine{};
    nonce echo{};  // the peer's nonce, in an answer
    std::string_view agent;
};

/// Appends the 12 bytes that open each direction.
void encode_preface(byte_buffer& out);
/// Checks the first n <= 12 bytes of a connection; fine means: so far it is a Valkyrie preface.
refusal check_preface(std::string_view first) noexcept;

void encode_hello(byte_buffer& out, const hello& h);
refusal decode_hello(std::string_view body, hello& out) noexcept;

/// What the accepting side answers to `theirs`, given what it offers itself; a refusal if they have no
/// version or required feature in common.
refusal answer_hello(const hello& theirs, hello& ours) noexcept;
/// What the dialling side checks in the answer to `ours`.
refusal check_answer(const hello& ours, const hello& answer) noexcept;

}  // namespace sigrun::valkyrie
