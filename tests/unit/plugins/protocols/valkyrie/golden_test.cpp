// The codec against golden_vectors.txt: both directions, and every split point.
#include "frame_reader.hpp"
#include "hello.hpp"
#include "message.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

using namespace sigrun::valkyrie;
using sigrun::sdk::str;
namespace json = boost::json;

namespace {

std::string from_hex(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
}
std::string to_hex(std::string_view raw) {
    static constexpr char k_digits[] = "0123456789abcdef";
    std::string out;
    for (unsigned char c : raw) {
        out += k_digits[c >> 4];
        out += k_digits[c & 15];
    }
    return out;
}
std::string_view view(sigrun_str s) { return {s.ptr, static_cast<std::size_t>(s.len)}; }

struct golden_vector {
    std::string name;
    json::object meaning;
    std::string bytes;
};
std::vector<golden_vector> golden_vectors() {
    std::ifstream file(SIGRUN_SOURCE_DIR "/plugins/protocols/valkyrie/golden_vectors.txt");
    std::vector<golden_vector> out;
    for (std::string line; std::getline(file, line);) {
        auto space = line.find(' ');
        auto word = line.substr(0, space);
        auto rest = space == line.npos ? "" : line.substr(space + 1);
        if (word == "vector") out.push_back({rest, {}, {}});
        if (word == "meaning") out.back().meaning = json::parse(rest).as_object();
        if (word == "bytes") out.back().bytes = from_hex(rest);
    }
    return out;
}

std::string_view text(const json::object& m, std::string_view key) {
    const auto* v = m.if_contains(key);
    return v ? std::string_view(v->as_string()) : std::string_view();
}
std::uint64_t number(const json::object& m, std::string_view key) {
    const auto* v = m.if_contains(key);
    return v ? v->to_number<std::uint64_t>() : 0;
}
bool marked(const json::object& m, std::string_view flag_name) {
    const auto* v = m.if_contains("flags");
    if (!v) return false;
    for (const auto& one : v->as_array())
        if (std::string_view(one.as_string()) == flag_name) return true;
    return false;
}

const std::map<std::string_view, std::uint32_t> k_kinds{
    {"OFFER", SIGRUN_OFFER}, {"ACK", SIGRUN_ACK},    {"STATE", SIGRUN_STATE}, {"CANCEL", SIGRUN_CANCEL},
    {"DRAIN", SIGRUN_DRAIN}, {"BYE", SIGRUN_BYE},    {"FACTS", SIGRUN_HELLO}, {"LOG", SIGRUN_LOG},
    {"BEAT", SIGRUN_BEAT},   {"REPLY", SIGRUN_REPLY}};

nonce nonce_of(std::string_view hex) {
    nonce n;
    auto raw = from_hex(hex);
    std::copy(raw.begin(), raw.end(), n.begin());
    return n;
}

/// Encodes a meaning with the plugin's encoders; empty for what only the output queue makes (BATCH,
/// checksums, pieces).
std::string encode(const json::object& m) {
    byte_buffer out;
    auto name = text(m, "type");
    auto stream = static_cast<std::uint32_t>(number(m, "stream"));
    route to{stream, static_cast<std::uint8_t>(number(m, "priority"))};
    auto payload = from_hex(text(m, "payload"));
    // The encoders only ask whether there is a payload buffer, never what is in it.
    auto* has_payload = m.contains("payload") ? reinterpret_cast<sigrun_buf*>(&payload) : nullptr;
    if (name == "PREFACE") {
        encode_preface(out);
    } else if (name == "HELLO") {
        hello h;
        h.version_min = static_cast<std::uint16_t>(number(m, "version_min"));
        h.version_max = static_cast<std::uint16_t>(number(m, "version_max"));
        h.max_frame = static_cast<std::uint32_t>(number(m, "max_frame"));
        h.max_message = static_cast<std::uint32_t>(number(m, "max_message"));
        h.max_streams = static_cast<std::uint32_t>(number(m, "max_streams"));
        h.log_window = static_cast<std::uint32_t>(number(m, "log_window"));
        h.call_window = static_cast<std::uint32_t>(number(m, "call_window"));
        h.features = number(m, "features");
        h.required = number(m, "required");
        h.mine = nonce_of(text(m, "nonce"));
        h.echo = nonce_of(text(m, "echo"));
        h.agent = text(m, "agent");
        encode_hello(out, h);
    } else if (name == "PING" || name == "PONG") {
        encode_ping(out, name == "PING" ? type::ping : type::pong,
                    load<std::uint64_t>(from_hex(text(m, "opaque")).data()));
    } else if (name == "CREDIT") {
        encode_credit(out, stream, number(m, "bytes"));
    } else if (name == "GOAWAY" || name == "CALL_END") {
        encode_reason(out, name == "GOAWAY" ? type::goaway : type::call_end, to,
                      static_cast<std::uint32_t>(number(m, "code")), text(m, "reason"));
    } else if (name == "RECONNECT") {
        encode_reconnect(out, text(m, "json"));
    } else if (name == "CALL") {
        sigrun_call call{};
        call.struct_size = sizeof call;
        call.method = str(text(m, "method"));
        call.params = str(text(m, "params"));
        call.auth = str(text(m, "auth"));
        call.json = str(text(m, "json"));
        call.payload = has_payload;
        EXPECT_FALSE(encode_call(out, to, call, number(m, "left_us"), payload));
    } else {
        sigrun_attempt attempt{sizeof attempt, static_cast<std::uint32_t>(number(m, "number")), str(text(m, "job")),
                               str(text(m, "token"))};
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = k_kinds.at(name);
        if (marked(m, "LAST")) f.flags |= SIGRUN_FRAME_LAST;
        if (marked(m, "ERROR")) f.flags |= SIGRUN_FRAME_ERROR;
        if (marked(m, "LINK")) f.flags |= SIGRUN_FRAME_LINK;
        f.stream = static_cast<std::uint32_t>(number(m, "substream"));
        f.seq = number(m, "seq");
        f.ack = number(m, "ack");
        f.offset = number(m, "offset");
        f.time_ns = number(m, "time");
        f.hash = number(m, "hash");
        f.attempt = m.contains("job") ? &attempt : nullptr;
        f.json = str(text(m, "json"));
        f.payload = has_payload;
        EXPECT_FALSE(encode_session(out, to, f, payload));
    }
    return std::string(out.view());
}

/// Writes down what arrives, one line per frame, in terms of the decoded fields.
struct describer final : frame_handler {
    std::vector<std::string> lines;
    bool on_frame(const frame_header& h, std::string_view body) override {
        std::ostringstream line;
        line << "type=" << int{h.type} << " stream=" << h.stream;
        if (kind_of_type(h.type)) {
            session_message s;
            EXPECT_FALSE(decode_session(h, body, s));
            line << " flags=" << s.frame.flags << " seq=" << s.frame.seq << " ack=" << s.frame.ack
                 << " substream=" << s.frame.stream << " offset=" << s.frame.offset << " time=" << s.frame.time_ns
                 << " hash=" << s.frame.hash << " json=" << view(s.frame.json) << " payload=" << s.has_payload
                 << to_hex(s.payload);
            if (s.frame.attempt)
                line << " job=" << view(s.attempt.job) << " number=" << s.attempt.number
                     << " token=" << view(s.attempt.token);
        } else if (h.type == type::reconnect) {
            session_message s;
            EXPECT_FALSE(decode_session(as_bye(h), body, s));
            EXPECT_EQ(s.frame.kind, std::uint32_t{SIGRUN_BYE});
            EXPECT_EQ(s.frame.flags, 0u);
            line << " json=" << view(s.frame.json);
        } else if (h.type == type::call) {
            call_message c;
            EXPECT_FALSE(decode_call(h, body, c));
            line << " method=" << c.method << " params=" << c.params << " auth=" << c.auth << " left=" << c.left_us
                 << " json=" << c.json << " payload=" << c.has_payload << to_hex(c.payload);
        } else if (h.type == type::goaway || h.type == type::call_end) {
            reason_message r;
            EXPECT_FALSE(decode_reason(body, r));
            line << " code=" << r.code << " reason=" << r.text;
        } else if (h.type == type::credit) {
            std::uint64_t bytes = 0;
            EXPECT_FALSE(decode_credit(body, bytes));
            line << " bytes=" << bytes;
        } else if (h.type == type::hello) {
            hello o;
            EXPECT_FALSE(decode_hello(body, o));
            line << " max_frame=" << o.max_frame << " max_message=" << o.max_message << " streams=" << o.max_streams
                 << " windows=" << o.log_window << "," << o.call_window << " features=" << o.features
                 << " nonce=" << to_hex({o.mine.data(), 16}) << " echo=" << to_hex({o.echo.data(), 16})
                 << " agent=" << o.agent;
        } else {
            line << " body=" << to_hex(body);
        }
        lines.push_back(line.str());
        return true;
    }
};

/// The same lines from a vector's meaning.
void expected_lines(const json::object& m, std::vector<std::string>& out) {
    auto name = text(m, "type");
    if (name == "BATCH") {
        for (const auto& inner : m.at("frames").as_array()) expected_lines(inner.as_object(), out);
        return;
    }
    static const std::map<std::string_view, int> k_types{
        {"RECONNECT", 6}, {"HELLO", 0},    {"PING", 1},        {"PONG", 2},     {"CREDIT", 3}, {"GOAWAY", 5},
        {"CALL", 0x20},   {"REPLY", 0x21}, {"CALL_END", 0x22}, {"OFFER", 0x23}, {"ACK", 0x24}, {"STATE", 0x25},
        {"CANCEL", 0x26}, {"DRAIN", 0x27}, {"BYE", 0x28},      {"FACTS", 0x29}, {"LOG", 0x40}, {"BEAT", 0x41}};
    std::ostringstream line;
    line << "type=" << k_types.at(name) << " stream=" << number(m, "stream");
    if (k_kinds.count(name)) {
        line << " flags=" << (marked(m, "LAST") ? 1 : 0) + (marked(m, "ERROR") ? 2 : 0) + (marked(m, "LINK") ? 4 : 0)
             << " seq=" << number(m, "seq") << " ack=" << number(m, "ack") << " substream=" << number(m, "substream")
             << " offset=" << number(m, "offset") << " time=" << number(m, "time") << " hash=" << number(m, "hash")
             << " json=" << text(m, "json") << " payload=" << m.contains("payload") << text(m, "payload");
        if (m.contains("job"))
            line << " job=" << text(m, "job") << " number=" << number(m, "number") << " token=" << text(m, "token");
    } else if (name == "RECONNECT") {
        line << " json=" << text(m, "json");
    } else if (name == "CALL") {
        line << " method=" << text(m, "method") << " params=" << text(m, "params") << " auth=" << text(m, "auth")
             << " left=" << number(m, "left_us") << " json=" << text(m, "json") << " payload=" << m.contains("payload")
             << text(m, "payload");
    } else if (name == "GOAWAY" || name == "CALL_END") {
        line << " code=" << number(m, "code") << " reason=" << text(m, "reason");
    } else if (name == "CREDIT") {
        line << " bytes=" << number(m, "bytes");
    } else if (name == "HELLO") {
        line << " max_frame=" << number(m, "max_frame") << " max_message=" << number(m, "max_message")
             << " streams=" << number(m, "max_streams") << " windows=" << number(m, "log_window") << ","
             << number(m, "call_window") << " features=" << number(m, "features") << " nonce=" << text(m, "nonce")
             << " echo=" << text(m, "echo") << " agent=" << text(m, "agent");
    } else {
        line << " body=" << text(m, "opaque");
    }
    out.push_back(line.str());
}

bool with_crc(const json::object& m) { return m.contains("crc"); }

}  // namespace

TEST(valkyrie_golden, every_vector_encodes_to_its_bytes) {
    auto all = golden_vectors();
    ASSERT_GE(all.size(), 25u);
    for (const auto& v : all) {
        if (with_crc(v.meaning) || marked(v.meaning, "MORE")) continue;
        EXPECT_EQ(to_hex(encode(v.meaning)), to_hex(v.bytes)) << v.name;
    }
}

TEST(valkyrie_golden, every_vector_decodes_to_its_meaning_at_every_split_point) {
    for (const auto& v : golden_vectors()) {
        if (text(v.meaning, "type") == "PREFACE") {
            for (std::size_t n = 0; n <= v.bytes.size(); ++n)
                EXPECT_FALSE(check_preface(std::string_view(v.bytes).substr(0, n)));
            continue;
        }
        if (marked(v.meaning, "MORE")) continue;
        std::vector<std::string> wanted;
        expected_lines(v.meaning, wanted);
        for (std::size_t split = 0; split <= v.bytes.size(); ++split) {
            describer seen;
            frame_reader reader;
            reader.limits.crc = with_crc(v.meaning);
            EXPECT_FALSE(reader.feed(std::string_view(v.bytes).substr(0, split), seen)) << v.name;
            EXPECT_FALSE(reader.feed(std::string_view(v.bytes).substr(split), seen)) << v.name;
            EXPECT_EQ(seen.lines, wanted) << v.name << " split at " << split;
            EXPECT_FALSE(reader.unfinished()) << v.name;
        }
    }
}

TEST(valkyrie_golden, all_vectors_in_one_stream_survive_chunks_of_every_size) {
    std::string stream;
    std::vector<std::string> wanted;
    for (const auto& v : golden_vectors()) {
        auto name = text(v.meaning, "type");
        if (name == "PREFACE" || with_crc(v.meaning) || marked(v.meaning, "MORE")) continue;
        stream += v.bytes;
        expected_lines(v.meaning, wanted);
    }
    for (std::size_t chunk = 1; chunk <= 200; ++chunk) {
        describer seen;
        frame_reader reader;
        for (std::size_t at = 0; at < stream.size(); at += chunk)
            ASSERT_FALSE(reader.feed(std::string_view(stream).substr(at, chunk), seen));
        ASSERT_EQ(seen.lines, wanted) << "chunks of " << chunk;
    }
}

TEST(valkyrie_golden, mission_V1_the_second_implementation_agrees_with_the_vectors) {
    std::string command = "python3 -B " SIGRUN_SOURCE_DIR
                          "/tests/unit/plugins/protocols/valkyrie/valkyrie_twin.py check " SIGRUN_SOURCE_DIR
                          "/plugins/protocols/valkyrie/golden_vectors.txt";
    EXPECT_EQ(std::system(command.c_str()), 0);
}
