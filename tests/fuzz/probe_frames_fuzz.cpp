// What a probe's process might say to its parent. The first byte tells how large the pieces are in which it arrives.
#include "kernel/base/json.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/capability/probe_frames.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace {

using namespace sigrun;

void must_hold(bool promise) {
    if (!promise) std::abort();
}

void read(const probe_frame& frame) {
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (input.empty()) return 0;
    const std::size_t piece = static_cast<unsigned char>(input.front()) + std::size_t{1};
    std::size_t arrived = 0, read_so_far = 0;
    probe_frame_reader reader;
    for (input.remove_prefix(1); !input.empty(); input.remove_prefix(std::min(piece, input.size()))) {
        reader.take(input.substr(0, piece));
        arrived += std::min(piece, input.size());
        for (;;) {
            const auto frame = reader.next();
            if (!frame) return must_hold(!frame.error().text().empty()), 0;
            if (!*frame) break;
            read_so_far += (*frame)->payload.size() + 5;
            must_hold(read_so_far <= arrived);
            read(**frame);
        }
    }
    return 0;
}
