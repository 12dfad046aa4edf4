#include "wire/frame_codec.hpp"

#include "wire/base64.hpp"
#include "wire/json_text.hpp"
#include "wire/utf8.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <array>

namespace sigrun::http {
namespace {
namespace json = boost::json;

struct named_kind {
    std::uint32_t kind;
    std::string_view name;
};
constexpr std::array<named_kind, 11> k_kinds{{{SIGRUN_HELLO, "hello"},
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
std::string excerpt(const json::value& v) {
    if (v.is_array()) return "an array";
    if (v.is_object()) return "an object";
    return shown(v.is_string() ? std::string(v.get_string()) : json::serialize(v));
}

/// Reads members of one object; the first fault is kept as text.
class member_reader {
public:
    member_reader(const json::object& object, std::string_view prefix, mismatch& why)
        : object_(object), prefix_(prefix), why_(why) {}

    template <class T>
    void number(std::string_view key, T& out) {
        const json::value* v = object_.if_contains(key);
        if (!v) return;
        boost::system::error_code ec;
        const auto n = v->is_number() ? v->to_number<T>(ec) : T{};
        if (!v->is_number() || v->is_double() || ec) return fail(key, "a whole number");
        out = n;
    }
    void text(std::string_view key, std::string& out) {
        const json::value* v = object_.if_contains(key);
        if (!v) return;
        if (!v->is_string()) return fail(key, "a string");
        out.assign(v->get_string().data(), v->get_string().size());
    }
    void fail(std::string_view key, std::string_view expected) {
        const json::value* v = object_.if_contains(key);
        if (ok_) why_ = {sdk::concat(prefix_, key), std::string(expected), v ? excerpt(*v) : std::string("nothing")};
        ok_ = false;
    }
    bool ok() const noexcept { return ok_; }

private:
    const json::object& object_;
    std::string_view prefix_;
    mismatch& why_;
    bool ok_ = true;
};

std::optional<wire_frame> read_frame(const json::value& value, mismatch& why) {
    const json::object* object = value.if_object();
    if (!object) {
        why = {"frame", "an object", excerpt(value)};
        return std::nullopt;
    }
    wire_frame f;
    member_reader read(*object, "frame.", why);
    std::string kind;
    read.text("kind", kind);
    const named_kind* known = nullptr;
    for (const auto& k : k_kinds)
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
    if (const json::value* attempt = object->if_contains("attempt")) {
        if (const json::object* a = attempt->if_object()) {
            member_reader inner(*a, "frame.attempt.", why);
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
    if (const json::value* document = object->if_contains("json")) f.json = json::serialize(*document);
    if (const json::value* payload = object->if_contains("payload")) {
        auto bytes = payload->is_string() ? from_base64(payload->get_string()) : std::nullopt;
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

std::optional<json::value> parse(std::string_view text, mismatch& why) {
    boost::system::error_code ec;
    auto value = json::parse(text, ec);
    if (ec) {
        why = {{}, "JSON", text.empty() ? std::string("nothing") : ec.message()};
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::string_view kind_name(std::uint32_t kind) noexcept {
    for (const auto& k : k_kinds)
        if (k.kind == kind) return k.name;
    return {};
}

std::string encode_frame(const wire_frame& f) {
    json_members m;
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
    if (f.has_payload) m.raw("payload", sdk::concat("\"", to_base64(f.payload), "\""));
    if (!f.session.empty()) m.text("session", f.session);
    return m.finish();
}

wire_frame copy_frame(const sigrun_frame& frame, std::string_view payload) {
    wire_frame f;
    f.kind = frame.kind;
    f.flags = frame.flags;
    f.stream = frame.stream;
    f.offset = frame.offset;
    f.time_ns = frame.time_ns;
    if (frame.attempt) {
        f.attempt = frame.attempt->number;
        f.job = sdk::view(frame.attempt->job);
        f.token = sdk::view(frame.attempt->token);
    }
    f.json = sdk::view(frame.json);
    f.payload = payload;
    f.has_payload = frame.payload != nullptr;
    return f;
}

std::optional<wire_frame> decode_frame(std::string_view text, mismatch& why) {
    auto value = parse(text, why);
    return value ? read_frame(*value, why) : std::nullopt;
}

std::optional<std::vector<wire_frame>> decode_frames(std::string_view text, mismatch& why) {
    auto value = parse(text, why);
    if (!value) return std::nullopt;
    const json::array* items = value->if_array();
    if (!items) {
        why = {{}, "an array of frames", excerpt(*value)};
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

}  // namespace sigrun::http
