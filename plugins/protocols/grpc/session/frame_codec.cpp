#include "session/frame_codec.hpp"

#include "wire/deframer.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <functional>

namespace sigrun::grpc {

const std::string_view k_reconnect_json =
    R"({"reason":"a newer generation of the protocol plugin serves from now on","reconnect":true})";

namespace {
std::string text(sigrun_str s) { return std::string(sdk::view(s)); }

std::uint64_t key_of(std::string_view job, std::uint32_t number) noexcept {
    return (std::hash<std::string_view>()(job) ^ (std::uint64_t{number} * 0x9e3779b97f4a7c15u)) | 1;
}
}  // namespace

std::optional<std::string> encode_frame(const sigrun_frame& f, std::string_view payload) {
    v1::SessionMessage message;
    auto& to = *message.mutable_frame();
    to.set_kind(static_cast<v1::Frame::Kind>(f.kind));
    to.set_flags(f.flags);
    to.set_stream(f.stream);
    to.set_seq(f.seq);
    to.set_ack(f.ack);
    to.set_offset(f.offset);
    to.set_time_ns(f.time_ns);
    to.set_hash(f.hash);
    if (!sdk::is_utf8(sdk::view(f.json))) return std::nullopt;
    to.set_json(text(f.json));
    if (f.attempt) {
        if (!sdk::is_utf8(sdk::view(f.attempt->job)) || !sdk::is_utf8(sdk::view(f.attempt->token))) return std::nullopt;
        auto& attempt = *to.mutable_attempt();
        attempt.set_job(text(f.attempt->job));
        attempt.set_number(f.attempt->number);
        attempt.set_token(text(f.attempt->token));
    }
    if (f.payload) to.set_payload(payload.data(), payload.size());
    return framed_message(message);
}

std::string encode_log_credit(std::uint64_t bytes) {
    v1::SessionMessage message;
    message.set_log_credit(bytes);
    return framed_message(message);
}

std::string encode_ping(std::uint64_t id) {
    v1::SessionMessage message;
    message.set_ping(id);
    return framed_message(message);
}

std::string encode_pong(std::uint64_t id) {
    v1::SessionMessage message;
    message.set_pong(id);
    return framed_message(message);
}

std::optional<std::string> encode_call(const sigrun_call& call, std::string_view payload, std::uint64_t left_us) {
    for (auto part : {call.method, call.params, call.json})
        if (!sdk::is_utf8(sdk::view(part))) return std::nullopt;
    v1::SessionMessage message;
    auto& to = *message.mutable_call();
    to.set_method(text(call.method));
    to.set_params(text(call.params));
    to.set_document(text(call.json));
    if (call.payload) to.set_payload(payload.data(), payload.size());
    to.set_timeout_us(left_us);
    return framed_message(message);
}

std::optional<std::string> fault_of(const v1::Frame& f) {
    const auto kind = static_cast<std::uint32_t>(f.kind());
    if (kind != SIGRUN_REPLY && (kind < SIGRUN_HELLO || kind > SIGRUN_BYE))
        return sdk::concat("frame.kind: expected a session frame, found ", kind);
    const bool needs_attempt =
        kind == SIGRUN_OFFER || kind == SIGRUN_LOG || kind == SIGRUN_STATE || kind == SIGRUN_CANCEL;
    if (needs_attempt && !f.has_attempt()) return "frame.attempt: expected one, found none";
    if (kind == SIGRUN_LOG && f.payload().size() > SIGRUN_LOG_MAX)
        return sdk::concat("frame.payload: expected at most 65536 bytes of a LOG, found ", f.payload().size());
    return std::nullopt;
}

frame_view::frame_view(const v1::Frame& of) {
    frame.struct_size = sizeof frame;
    frame.kind = static_cast<std::uint32_t>(of.kind());
    frame.flags = of.flags();
    frame.stream = of.stream();
    frame.seq = of.seq();
    frame.ack = of.ack();
    frame.offset = of.offset();
    frame.time_ns = of.time_ns();
    frame.hash = of.hash();
    frame.json = sdk::str(of.json());
    if (!of.has_attempt()) return;
    attempt_ = {sizeof attempt_, of.attempt().number(), sdk::str(of.attempt().job()), sdk::str(of.attempt().token())};
    frame.attempt = &attempt_;
}

std::uint64_t attempt_key(const sigrun_attempt* attempt) noexcept {
    return attempt ? key_of(sdk::view(attempt->job), attempt->number) : 0;
}
std::uint64_t attempt_key(const v1::Frame& frame) noexcept {
    return frame.has_attempt() ? key_of(frame.attempt().job(), frame.attempt().number()) : 0;
}

std::string bye_json(std::string_view reason) {
    if (!reason.empty() && reason[0] == '{') return std::string(reason);
    boost::json::object document;
    document["reason"] = reason;
    return boost::json::serialize(document);
}

}  // namespace sigrun::grpc
