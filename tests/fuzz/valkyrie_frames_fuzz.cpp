// Everything a Valkyrie connection reads before it decides anything: preface, frames, bodies. The first byte
// of the input chooses checksums (bit 0) and the size of the chunks. What decodes must encode to something
// that decodes again.
#include "frame_reader.hpp"
#include "hello.hpp"
#include "message.hpp"

#include <cstdlib>

namespace {

using namespace sigrun::valkyrie;

void check(bool holds) {
    if (!holds) std::abort();
}

struct decoder final : frame_handler {
    bool on_frame(const frame_header& header, std::string_view body) override {
        check(header.length == body.size());
        if (kind_of_type(header.type)) session(header, body);
        if (header.type == type::call) call(header, body);
        hello greeting;
        reason_message reason;
        std::uint64_t number = 0;
        (void)decode_hello(body, greeting);
        (void)decode_reason(body, reason);
        (void)decode_credit(body, number);
        (void)decode_ping(body, number);
        return true;
    }
    static void session(const frame_header& header, std::string_view body) {
        session_message first;
        if (decode_session(header, body, first)) return;
        first.frame.payload = first.has_payload ? reinterpret_cast<sigrun_buf*>(&first) : nullptr;  // only asked for
        byte_buffer again;
        check(!encode_session(again, {header.stream, header.priority}, first.frame, first.payload));
        session_message second;
        check(!decode_session(read_header(again.data()), again.view().substr(k_header_size), second));
        check(second.frame.seq == first.frame.seq && second.frame.offset == first.frame.offset);
        check(second.payload == first.payload && second.has_payload == first.has_payload);
        check(attempt_key(second.frame.attempt) == attempt_key(first.frame.attempt));
    }
    static void call(const frame_header& header, std::string_view body) {
        call_message first;
        if (decode_call(header, body, first)) return;
        auto str = [](std::string_view s) { return sigrun_str{s.data(), s.size()}; };
        sigrun_call c{sizeof c, 0, str(first.method), str(first.params), str(first.json), str(first.auth), nullptr, 0};
        byte_buffer again;
        check(!encode_call(again, {header.stream, 0}, c, first.left_us, first.payload));
        call_message second;
        check(!decode_call(read_header(again.data()), again.view().substr(k_header_size), second));
        check(second.method == first.method && second.json == first.json && second.payload == first.payload);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (!size) return 0;
    std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    (void)check_preface(input.substr(0, k_preface_size));
    frame_reader reader;
    reader.limits = {k_min_frame, k_min_frame, (data[0] & 1) != 0};
    decoder handler;
    std::size_t chunk = data[0] / 2 + 1u;
    for (std::size_t at = 0; at < input.size(); at += chunk)
        if (reader.feed(input.substr(at, chunk), handler)) break;
    return 0;
}
