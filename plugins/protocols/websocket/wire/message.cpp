#include "wire/message.hpp"

#include <boost/json/monotonic_resource.hpp>

namespace sigrun::websocket {
namespace {
namespace json = boost::json;

constexpr std::size_t k_length_size = 4;
constexpr std::size_t k_longest_method = 128;
constexpr std::size_t k_longest_auth = 8192;

packed seal(std::string head, std::string_view payload, bool has_payload) {
    if (!has_payload) return {std::move(head), false};
    std::string bytes;
    bytes.reserve(k_length_size + head.size() + payload.size());
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>((head.size() >> shift) & 0xff);
    bytes += head;
    bytes += payload;
    return {std::move(bytes), true};
}

bool is_text(sigrun_str s) { return sdk::is_utf8(sdk::view(s)); }

/// The JSON part and the bytes beside it.
bool split(std::string_view bytes, std::string_view& head, std::string_view& payload, sdk::mismatch& why) {
    if (bytes.size() < k_length_size) {
        why = {"length", "4 bytes", sdk::concat(bytes.size())};
        return false;
    }
    std::size_t size = 0;
    for (std::size_t i = 0; i < k_length_size; ++i) size = size << 8 | static_cast<unsigned char>(bytes[i]);
    bytes.remove_prefix(k_length_size);
    if (size > bytes.size()) {
        why = {"length", sdk::concat("at most ", bytes.size(), ", as many bytes follow"), sdk::concat(size)};
        return false;
    }
    head = bytes.substr(0, size);
    payload = bytes.substr(size);
    if (sdk::is_utf8(head)) return true;
    why = {"json", "UTF-8", "other bytes"};
    return false;
}

void read_call(const json::object& o, message& m, sdk::json_reader& read) {
    read.text("method", m.method);
    if (m.method.empty() || m.method.size() > k_longest_method) read.fail("method", "the name of a method");
    if (const auto* params = read.find("params")) {
        if (!params->is_object()) read.fail("params", "an object");
        m.params = json::serialize(*params);
    }
    read.text("auth", m.auth);
    if (m.auth.size() > k_longest_auth) read.fail("auth", "at most 8192 bytes");
    read.number("deadline_ms", m.deadline_ms);
    if (const auto* document = o.if_contains("json")) m.frame.json = json::serialize(*document);
    if (const auto* payload = read.find("payload")) {
        auto bytes = payload->is_string() ? sdk::from_base64(std::string_view(payload->get_string())) : std::nullopt;
        if (!bytes) return read.fail("payload", "base64 text");
        m.frame.payload = std::move(*bytes);
        m.frame.has_payload = true;
    }
}

std::optional<message> read_message(const json::value& value, sdk::mismatch& why, std::uint64_t& call_id) {
    const auto* o = value.if_object();
    if (!o) {
        why = {"message", "a JSON object", sdk::detail::json_excerpt(value)};
        return std::nullopt;
    }
    message m;
    sdk::json_reader read(*o, "message.", why);
    std::string kind;
    read.text("kind", kind);
    m.what = kind == "call" ? sort::call : kind == "end" ? sort::end : kind == "reply" ? sort::reply : sort::session;
    if (m.what != sort::session) {
        read.number("id", m.id);
        if (!m.id || m.id > k_last_id) read.fail("id", "a whole number from 1 to 2^53 - 1");
        if (!read.ok()) return std::nullopt;
    }
    if (m.what == sort::call) {
        call_id = m.id;
        read_call(*o, m, read);
    } else if (m.what != sort::end) {
        auto frame = sdk::read_frame(value, why);
        if (!frame) return std::nullopt;
        if (frame->kind == sdk::k_kind_ping) read.fail("kind", "the name of a frame kind");
        m.frame = std::move(*frame);
    }
    if (!read.ok()) return std::nullopt;
    return m;
}

}  // namespace

std::optional<packed> pack_frame(const sigrun_frame& f, std::string_view payload, std::uint64_t id) {
    const auto kind = f.kind == sdk::k_kind_ping ? std::string_view() : sdk::kind_name(f.kind);
    if (kind.empty() || !is_text(f.json)) return std::nullopt;
    if (f.attempt && (!is_text(f.attempt->job) || !is_text(f.attempt->token))) return std::nullopt;
    sdk::json_members m;
    m.text("kind", kind);
    if (id) m.number("id", id);
    if (f.flags) m.number("flags", f.flags);
    if (f.attempt) {
        sdk::json_members a;
        a.text("job", sdk::view(f.attempt->job));
        a.number("number", f.attempt->number);
        a.text("token", sdk::view(f.attempt->token));
        m.raw("attempt", a.finish());
    }
    if (f.stream) m.number("stream", f.stream);
    if (f.offset) m.number("offset", f.offset);
    if (f.time_ns) m.number("time_ns", f.time_ns);
    if (f.json.len) m.raw("json", sdk::view(f.json));
    return seal(m.finish(), payload, f.payload != nullptr);
}

std::optional<packed> pack_call(const sigrun_call& call, std::string_view payload, std::uint64_t id,
                                std::uint64_t left_ms) {
    const auto method = sdk::view(call.method);
    if (method.empty() || method.size() > k_longest_method || call.auth.len > k_longest_auth) return std::nullopt;
    if (!is_text(call.method) || !is_text(call.params) || !is_text(call.json) || !is_text(call.auth))
        return std::nullopt;
    sdk::json_members m;
    m.text("kind", "call");
    m.number("id", id);
    m.text("method", method);
    if (call.params.len) m.raw("params", sdk::view(call.params));
    if (call.auth.len) m.text("auth", sdk::view(call.auth));
    if (left_ms) m.number("deadline_ms", left_ms);
    if (call.json.len) m.raw("json", sdk::view(call.json));
    return seal(m.finish(), payload, call.payload != nullptr);
}

packed pack_end(std::uint64_t id) { return {sdk::concat(R"({"kind":"end","id":)", id, "}"), false}; }

std::optional<message> unpack(std::string_view bytes, bool binary, sdk::mismatch& why, std::uint64_t& call_id) {
    call_id = 0;
    std::string_view head = bytes;
    std::string_view payload;
    if (binary && !split(bytes, head, payload, why)) return std::nullopt;
    unsigned char room[4096];
    json::monotonic_resource memory(room, sizeof room);
    boost::system::error_code ec;
    const auto value = json::parse(head, ec, &memory);
    if (ec) {
        why = {"message", "JSON", head.empty() ? std::string("nothing") : ec.message()};
        return std::nullopt;
    }
    auto m = read_message(value, why, call_id);
    if (!m || !binary) return m;
    if (m->frame.has_payload || m->what == sort::end) {
        why = {"message.payload", "none, as bytes follow the JSON",
               m->what == sort::end ? "the kind end, which has no bytes" : "one"};
        return std::nullopt;
    }
    if (m->frame.kind == SIGRUN_LOG && payload.size() > SIGRUN_LOG_MAX) {
        why = {"payload", "at most 64 KiB", sdk::concat(payload.size(), " bytes")};
        return std::nullopt;
    }
    m->frame.payload = payload;
    m->frame.has_payload = true;
    return m;
}

}  // namespace sigrun::websocket
