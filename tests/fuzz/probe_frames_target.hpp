// Reads what a probe's process says as its parent does, and aborts if a promise is broken. For the fuzzer and for the unit test
// that replays its seeds.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/capability/probe_frames.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace sigrun {

inline void must_hold(bool promise) {
    if (!promise) std::abort();
}

inline void read_probe_frame(const probe_frame& frame) {
    must_hold(frame.payload.size() <= k_max_probe_payload);
    const auto part = split_number(frame.payload);
    must_hold(part.has_value() == (frame.payload.size() >= 8));
    if (part) must_hold(frame_bytes(frame.word, part->number, part->rest) == frame_bytes(frame.word, frame.payload));
    if (frame.word != probe_word::facts || !part) return;
    const auto object = parse_object(part->rest);
    const json::array* list = object ? array_or_null(*object, "facts") : nullptr;
    if (!list) return;
    for (const json::value& each : *list)
        if (auto fact = fact_from_json(each)) must_hold(bool(fact_from_json(to_json(*fact))));
}

/// How many frames there were.
inline std::size_t read_probe_frames(std::string_view input) {
    if (input.empty()) return 0;
    const std::size_t piece = static_cast<unsigned char>(input.front()) + std::size_t{1};
    std::size_t frames = 0, bytes = 0;
    probe_frame_reader reader;
    for (input.remove_prefix(1); !input.empty(); input.remove_prefix(std::min(piece, input.size()))) {
        reader.take(input.substr(0, piece));
        bytes += std::min(piece, input.size());
        for (;;) {
            const auto frame = reader.next();
            if (!frame) return must_hold(!frame.error().text().empty()), frames;
            if (!*frame) break;
            ++frames;
            must_hold((*frame)->payload.size() + 5 * frames <= bytes);
            read_probe_frame(**frame);
        }
    }
    return frames;
}

}  // namespace sigrun
