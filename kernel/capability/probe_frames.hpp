// What a probe's own process and its parent say to each other over their socket: frames of a length (4 bytes, little endian),
// a kind (1 byte) and that many bytes. What comes from the child is untrusted: a plugin runs there.
#pragma once

#include "kernel/base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun {

/// What main() is started with for such a process.
inline constexpr std::string_view k_probe_host_flag = "--probe-host";

inline constexpr std::size_t k_max_facts_bytes = 1024 * 1024;  // of one frame of facts, as the probe wrote it
inline constexpr std::size_t k_max_probe_payload = k_max_facts_bytes + 8;

enum class probe_word : std::uint8_t {
    // to the child
    load = 1,    // JSON: which component, with which values; once, first
    run = 2,     // number, JSON: sysroot, scope, deadline
    cancel = 3,  // number
    // from the child
    ready = 4,
    refused = 5,  // why the instance cannot be made
    facts = 6,    // number of the run, the JSON that the probe sent
    done = 7,     // number of the run, what went wrong; empty = nothing
    log = 8,      // level, text
};

struct probe_frame {
    probe_word word;
    std::string_view payload;
};

std::string frame_bytes(probe_word word, std::string_view payload);
/// With a number in front of the payload.
std::string frame_bytes(probe_word word, std::uint64_t number, std::string_view rest);
/// What such a payload holds; nothing if it is too short for a number.
struct numbered_payload {
    std::uint64_t number;
    std::string_view rest;
};
std::optional<numbered_payload> split_number(std::string_view payload) noexcept;

/// Makes frames of what arrives, in pieces of any size. Keeps no more than one frame and the piece after it.
class probe_frame_reader {
public:
    void take(std::string_view bytes);
    /// The next whole frame, valid until `take` is called; nothing: more has to arrive. After a problem there is no next one.
    result<std::optional<probe_frame>> next();

private:
    std::string buffer_;
    std::size_t used_ = 0;
};

}  // namespace sigrun
