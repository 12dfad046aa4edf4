// sigrun/cpp/frame_json.hpp: session frames as JSON text, for protocols that carry text:
//   {"kind":"offer","flags":1,"seq":7,"attempt":{"job":"..","number":1,"token":".."},"stream":1,"offset":9,
//    "time_ns":5,"json":{..},"payload":"base64"}
// Members that are zero or empty are left out. Pure. The one part of this layer that needs Boost.JSON.
#pragma once

#include <sigrun/base.h>
#include <sigrun/cpp/base64.hpp>
#include <sigrun/cpp/json_text.hpp>
#include <sigrun/cpp/mismatch.hpp>
#include <sigrun/cpp/text.hpp>
#include <sigrun/cpp/utf8.hpp>
#include <sigrun/cpp/wire_frame.hpp>

#include <boost/json.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::sdk {

/// For protocols that need a frame of their own to prove a round trip; nobody else sees it.
inline constexpr std::uint32_t k_kind_ping = 0;

namespace detail {

struct named_frame_kind {
    std::uint32_t kind;
    std::string_view name;
};
inline constexpr std::array<named_frame_kind, 11> k_frame_kinds{{{SIGRUN_HELLO, "hello"},
                                                                 {SIGRUN_OFFER, "offer"},
                                                                 {SIGRUN_ACK, "ack"},
                                                                 {SIGRUN_LOG, "log"},
                                                                 {SIGRUN_STATE, "state"},
                                                                 {SIGRUN_BEAT, "beat"},
                                                                 {SIGRUN_CANCEL, "cancel"},
                                                                 {SIGRUN_DRAIN, "drain"},
                                                                 {SIGRUN_BYE, "bye"},
                                                                 {SIGRUN_REPLY, "reply"},
                                                                 {k_kind_ping, "ping"}}};

/// A value as a mismatch shows it: not all of it, for it may be large.
inline std::string json_excerpt(const boost::json::value& v) {
    if (v.is_array()) return "an array";
    if (v.is_object()) return "an object";
    if (v.is_string() && v.get_string().empty()) return "an empty string";
    return shown(v.is_string() ? std::string(v.get_string()) : boost::json::serialize(v));
}

}  // namespace detail

/// Reads members of one object; the first fault is kept as text. Members that are missing leave their variable as it was.
class json_reader {
public:
    json_reader(const boost::json::object& object, std::string_view prefix, mismatch& why)
        : object_(object), prefix_(prefix), why_(why) {}

    template <class T>
    void number(std::string_view key, T& out) {
        const boost::json::value* v = object_.if_contains(key);
        if (!v) return;
        boost::system::error_code ec;
        const auto n = v->is_number() ? v->to_number<T>(ec) : T{};
        if (!v->is_number() || v->is_double() || ec) return fail(key, "a whole number");
        out = n;
    }
    void text(std::string_view key, std::string& out) {
        const boost::json::value* v = object_.if_contains(key);
        if (!v) return;
        if (!v->is_string()) return fail(key, "a string");
        out.assign(v->get_string().data(), v->get_string().size());
    }
    const boost::json::value* find(std::string_view key) const { return object_.if_contains(key); }
    void fail(std::string_view key, std::string_view expected) {
        const boost::json::value* v = object_.if_contains(key);
        if (ok_)
            why_ = {concat(prefix_, key), std::string(expected), v ? detail::json_excerpt(*v) : std::string("nothing")};
        ok_ = false;
    }
    bool ok() const noexcept { return ok_; }

private:
    const boost::json::object& object_;
    std::string_view prefix_;
    mismatch& why_;
    bool ok_ = true;
};

/// A frame from parsed JSON, or nothing and `why`. Unknown members are ignored, so that newer peers can add some; an unknown
/// kind is an error, because dropping it silently would lose work.
inline std::optional<wire_frame> read_frame(const boost::json::value& value, mismatch& why) {
    const boost::json::object* object = value.if_object();
    if (!object) {
        why = {"frame", "an object", detail::json_excerpt(value)};
        return std::nullopt;
    }
    wire_frame f;
    json_reader read(*object, "frame.", why);
    std::string kind;
    read.text("kind", kind);
    const detail::named_frame_kind* known = nullptr;
    for (const auto& k : detail::k_frame_kinds)
        if (k.name == kind) known = &k;
    if (!known) {
        read.fail("kind", "the name of a frame kind");
    } else {
        f.kind = known->kind;
    }
    read.number("flags", f.flags);
    read.number("stream", f.stream);
    read.number("seq", f.seq);
    read.number("offset", f.offset);
    read.number("time_ns", f.time_ns);
    read.text("session", f.session);
    if (const boost::json::value* attempt = object->if_contains("attempt")) {
        if (const boost::json::object* a = attempt->if_object()) {
            json_reader inner(*a, "frame.attempt.", why);
            std::uint32_t number = 0;
            inner.number("number", number);
            inner.text("job", f.job);
            inner.text("token", f.token);
            if (!inner.ok()) return std::nullopt;
            f.attempt = number;
        } else {
            read.fail("attempt", "an object");
        }
    }
    if (const boost::json::value* document = object->if_contains("json")) f.json = boost::json::serialize(*document);
    if (const boost::json::value* payload = object->if_contains("payload")) {
        auto bytes = payload->is_string() ? from_base64(std::string_view(payload->get_string())) : std::nullopt;
        if (bytes) {
            f.payload = std::move(*bytes);
            f.has_payload = true;
        } else {
            read.fail("payload", "base64 text");
        }
    }
    if (f.kind == SIGRUN_LOG && f.payload.size() > SIGRUN_LOG_MAX) read.fail("payload", "at most 64 KiB");
    if (!read.ok()) return std::nullopt;
    return f;
}

inline std::optional<boost::json::value> parse_json(std::string_view text, mismatch& why) {
    boost::system::error_code ec;
    auto value = boost::json::parse(text, ec);
    if (ec) {
        why = {{}, "JSON", text.empty() ? std::string("nothing") : ec.message()};
        return std::nullopt;
    }
    return value;
}

/// Empty for a kind that is none.
inline std::string_view kind_name(std::uint32_t kind) noexcept {
    for (const auto& k : detail::k_frame_kinds)
        if (k.kind == kind) return k.name;
    return {};
}

/// Appends the members of a frame to an object. `with_payload` false: its bytes travel beside the JSON.
inline void add_members(json_members& m, const wire_frame& f, bool with_payload) {
    m.text("kind", kind_name(f.kind));
    if (f.flags) m.number("flags", f.flags);
    if (f.seq) m.number("seq", f.seq);
    if (f.attempt) {
        json_members a;
        a.text("job", f.job);
        a.number("number", *f.attempt);
        a.text("token", f.token);
        m.raw("attempt", a.finish());
    }
    if (f.stream) m.number("stream", f.stream);
    if (f.offset) m.number("offset", f.offset);
    if (f.time_ns) m.number("time_ns", f.time_ns);
    if (!f.json.empty()) m.raw("json", one_line(f.json));
    if (f.has_payload && with_payload) m.raw("payload", concat("\"", to_base64(f.payload), "\""));
    if (!f.session.empty()) m.text("session", f.session);
}

inline std::string encode_frame(const wire_frame& f) {
    json_members m;
    add_members(m, f, true);
    return m.finish();
}

/// One frame object, or nothing and `why`; see read_frame.
inline std::optional<wire_frame> decode_frame(std::string_view text, mismatch& why) {
    auto value = parse_json(text, why);
    return value ? read_frame(*value, why) : std::nullopt;
}

/// A JSON array of frames.
inline std::optional<std::vector<wire_frame>> decode_frames(std::string_view text, mismatch& why) {
    auto value = parse_json(text, why);
    if (!value) return std::nullopt;
    const boost::json::array* items = value->if_array();
    if (!items) {
        why = {{}, "an array of frames", detail::json_excerpt(*value)};
        return std::nullopt;
    }
    std::vector<wire_frame> frames;
    frames.reserve(items->size());
    for (const auto& item : *items) {
        auto frame = read_frame(item, why);
        if (!frame) return std::nullopt;
        frames.push_back(std::move(*frame));
    }
    return frames;
}

}  // namespace sigrun::sdk
