#include "kernel/metrics/span.hpp"

#include "kernel/base/json_writer.hpp"

namespace sigrun {
namespace {

void attribute(json_writer& w, std::string_view key, std::string_view text) {
    w.open_object()
        .member("key", key)
        .key("value")
        .open_object()
        .member("stringValue", text)
        .close_object()
        .close_object();
}

// 64-bit numbers are texts in the JSON mapping of protobuf.
void attribute(json_writer& w, std::string_view key, std::int64_t number) {
    w.open_object().member("key", key).key("value").open_object();
    w.member("intValue", std::to_string(number)).close_object().close_object();
}

void span_object(json_writer& w, const trace_span& s) {
    w.open_object().member("traceId", s.trace_id).member("spanId", s.id);
    if (!s.parent.empty()) w.member("parentSpanId", s.parent);
    w.member("name", s.name).member("kind", static_cast<int>(s.what));
    w.member("startTimeUnixNano", std::to_string(s.begin_ns)).member("endTimeUnixNano", std::to_string(s.end_ns));
    if (!s.texts.empty() || !s.numbers.empty()) {
        w.key("attributes").open_array();
        for (const auto& [key, text] : s.texts) attribute(w, key, text);
        for (const auto& [key, number] : s.numbers) attribute(w, key, number);
        w.close_array();
    }
    if (s.failed) {
        w.key("status").open_object();
        if (!s.message.empty()) w.member("message", s.message);
        w.member("code", 2).close_object();
    }
    w.close_object();
}

}  // namespace

std::string otlp_json(const trace_resource& from, std::span<const trace_span> spans) {
    std::string out;
    out.reserve(512 + 512 * spans.size());
    json_writer w(out);
    w.open_object().key("resourceSpans").open_array().open_object();
    w.key("resource").open_object().key("attributes").open_array();
    attribute(w, "service.name", from.service);
    attribute(w, "service.version", from.version);
    attribute(w, "service.instance.id", from.instance);
    w.close_array().close_object();
    w.key("scopeSpans").open_array().open_object();
    w.key("scope").open_object().member("name", "sigrun").member("version", from.version).close_object();
    w.key("spans").open_array();
    for (const auto& s : spans) span_object(w, s);
    w.close_array().close_object().close_array().close_object().close_array().close_object();
    return out;
}

}  // namespace sigrun
