#include "hello.hpp"

#include "cursor.hpp"

#include <algorithm>

namespace sigrun::valkyrie {

namespace {
constexpr std::size_t k_fixed = 72;
constexpr std::size_t k_max_agent = 128;
}  // namespace

void encode_preface(byte_buffer& out) {
    char* p = put_bytes(out.room(k_preface_size), k_magic);
    store<std::uint16_t>(p, k_version);
    store<std::uint16_t>(p + 2, 0);
    out.commit(k_preface_size);
}

refusal check_preface(std::string_view first) noexcept {
    auto n = std::min(first.size(), k_magic.size());
    if (first.substr(0, n) != k_magic.substr(0, n)) return {code::protocol, "preface: not the magic of Valkyrie"};
    if (first.size() < k_preface_size) return {};
    if (load<std::uint16_t>(first.data() + 8) != k_version)
        return {code::version, "preface: expected framing version 1"};
    if (load<std::uint16_t>(first.data() + 10) != 0) return {code::flags, "preface: the reserved field is not 0"};
    return {};
}

void encode_hello(byte_buffer& out, const hello& h) {
    char* start = out.room(k_header_size + k_fixed + k_max_varint + k_max_agent);
    char* p = start + k_header_size;
    store(p, h.version_min);
    store(p + 2, h.version_max);
    store(p + 4, h.max_frame);
    store(p + 8, h.max_message);
    store(p + 12, h.max_streams);
    store(p + 16, h.log_window);
    store(p + 20, h.call_window);
    store(p + 24, h.features);
    store(p + 32, h.required);
    std::memcpy(p + 40, h.mine.data(), h.mine.size());
    std::memcpy(p + 56, h.echo.data(), h.echo.size());
    char* end = put_text(p + k_fixed, h.agent.substr(0, k_max_agent));
    write_header(start, {static_cast<std::uint32_t>(end - p), type::hello, k_priority_control, 0, 0});
    out.commit(static_cast<std::size_t>(end - start));
}

refusal decode_hello(std::string_view body, hello& out) noexcept {
    if (body.size() < k_fixed) return {code::protocol, "HELLO: shorter than its fixed part"};
    const char* p = body.data();
    out.version_min = load<std::uint16_t>(p);
    out.version_max = load<std::uint16_t>(p + 2);
    out.max_frame = load<std::uint32_t>(p + 4);
    out.max_message = load<std::uint32_t>(p + 8);
    out.max_streams = load<std::uint32_t>(p + 12);
    out.log_window = load<std::uint32_t>(p + 16);
    out.call_window = load<std::uint32_t>(p + 20);
    out.features = load<std::uint64_t>(p + 24);
    out.required = load<std::uint64_t>(p + 32);
    std::memcpy(out.mine.data(), p + 40, out.mine.size());
    std::memcpy(out.echo.data(), p + 56, out.echo.size());
    cursor rest(body.substr(k_fixed));
    out.agent = rest.text(k_max_agent);
    if (rest.bad_text()) return {code::protocol, "HELLO: the agent text is not UTF-8"};
    if (rest.failed()) return {code::protocol, "HELLO: the agent text is longer than 128 bytes or than the frame"};
    // Bytes after the agent belong to later versions.
    if (out.version_min > out.version_max) return {code::version, "HELLO: version_min is above version_max"};
    if (out.max_frame < k_min_frame) return {code::protocol, "HELLO: expected max_frame >= 131072"};
    if (out.max_message < out.max_frame) return {code::protocol, "HELLO: max_message is below max_frame"};
    return {};
}

refusal answer_hello(const hello& theirs, hello& ours) noexcept {
    if (theirs.version_min > k_version || theirs.version_max < k_version)
        return {code::version, "HELLO: no common version; this side speaks 1"};
    if (theirs.required & ~ours.features) return {code::feature, "HELLO: a required feature is not offered here"};
    ours.version_min = ours.version_max = k_version;
    ours.features &= theirs.features;
    ours.echo = theirs.mine;
    return {};
}

refusal check_answer(const hello& ours, const hello& answer) noexcept {
    if (answer.version_min != k_version || answer.version_max != k_version)
        return {code::version, "HELLO: the answer chose a version that was not offered"};
    if (answer.echo != ours.mine) return {code::protocol, "HELLO: the answer does not echo the nonce"};
    if ((answer.features | answer.required) & ~ours.features)
        return {code::feature, "HELLO: the answer chose a feature that was not offered"};
    return {};
}

}  // namespace sigrun::valkyrie
