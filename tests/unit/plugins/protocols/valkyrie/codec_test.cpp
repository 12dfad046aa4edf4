// What the decoder refuses, what it skips, and the order in which the output queue lets frames go.
#include "crc32c.hpp"
#include "frame_reader.hpp"
#include "hello.hpp"
#include "message.hpp"
#include "output.hpp"

#include <sigrun/cpp/text.hpp>

#include <gtest/gtest.h>

#include <random>

using namespace sigrun::valkyrie;
using sigrun::sdk::str;

namespace {

std::string raw_frame(std::uint8_t wire_type, std::uint16_t flags, std::uint32_t stream, std::string_view body) {
    char head[k_header_size];
    write_header(head, {static_cast<std::uint32_t>(body.size()), wire_type, 0, flags, stream});
    return std::string(head, sizeof head) + std::string(body);
}

struct collector final : frame_handler {
    std::vector<std::pair<frame_header, std::string>> frames;
    bool on_frame(const frame_header& h, std::string_view body) override {
        frames.emplace_back(h, std::string(body));
        return true;
    }
};

std::uint32_t code_of(std::string_view bytes, bool crc = false) {
    frame_reader reader;
    reader.limits.crc = crc;
    collector seen;
    return reader.feed(bytes, seen).code;
}

byte_buffer state_frame(std::uint32_t number, std::string_view json = {}, std::string_view payload = {}) {
    sigrun_attempt attempt{sizeof attempt, number, str("0190a6b2-7c4e-7d3f-8a1b-2c3d4e5f6071"), str("1")};
    sigrun_frame f{};
    f.kind = SIGRUN_STATE;
    f.attempt = &attempt;
    f.json = str(json);
    byte_buffer out;
    EXPECT_FALSE(encode_session(out, {k_stream_session, 0}, f, payload));
    return out;
}

}  // namespace

TEST(valkyrie_codec, a_small_final_state_costs_few_bytes) {
    sigrun_attempt attempt{sizeof attempt, 1, str("0190a6b2-7c4e-7d3f-8a1b-2c3d4e5f6071"), str("17-1")};
    sigrun_frame f{};
    f.kind = SIGRUN_STATE;
    f.flags = SIGRUN_FRAME_LAST;
    f.attempt = &attempt;
    byte_buffer out;
    ASSERT_FALSE(encode_session(out, {1, 0}, f, {}));
    EXPECT_EQ(out.size(), 12u + 16 + 1 + 1 + 4);
}

TEST(valkyrie_codec, an_unknown_type_is_skipped_whatever_its_flags_and_split) {
    auto ping = raw_frame(type::ping, 0, 0, "12345678");
    auto stream = raw_frame(0x77, 0xffff, 9, std::string(1000, 'x')) + ping + raw_frame(0xff, 1, 0, "") + ping;
    for (std::size_t chunk : {1u, 5u, 12u, 13u, 700u, 5000u}) {
        frame_reader reader;
        collector seen;
        for (std::size_t at = 0; at < stream.size(); at += chunk)
            ASSERT_FALSE(reader.feed(std::string_view(stream).substr(at, chunk), seen));
        EXPECT_EQ(seen.frames.size(), 2u);
        EXPECT_FALSE(reader.unfinished());
    }
}

TEST(valkyrie_codec, an_unknown_flag_is_refused) {
    EXPECT_EQ(code_of(raw_frame(type::ping, 0x4000, 0, "12345678")), code::flags);
    EXPECT_EQ(code_of(raw_frame(type::hello, flag::last, 0, "")), code::flags);
    EXPECT_EQ(code_of(raw_frame(type::offer, flag::link, 1, "")), code::flags);
    EXPECT_EQ(code_of(raw_frame(type::ping, flag::crc, 0, "12345678xxxx")), code::flags);  // not negotiated
}

TEST(valkyrie_codec, an_oversized_frame_is_refused_by_its_header) {
    frame_reader reader;
    reader.limits.max_frame = k_min_frame;
    collector seen;
    char head[k_header_size];
    write_header(head, {k_min_frame + 1, type::log, 0, 0, 2});
    EXPECT_EQ(reader.feed({head, sizeof head}, seen).code, code::too_large);
    write_header(head, {0xffffffff, 0x77, 0, 0, 2});  // an unknown type as well
    frame_reader other;
    EXPECT_EQ(other.feed({head, sizeof head}, seen).code, code::too_large);
}

TEST(valkyrie_codec, a_batch_must_hold_whole_plain_frames) {
    auto ping = raw_frame(type::ping, 0, 0, "12345678");
    EXPECT_EQ(code_of(raw_frame(type::batch, 0, 0, ping + ping)), 0u);
    EXPECT_EQ(code_of(raw_frame(type::batch, 0, 0, ping + ping.substr(0, 5))), code::protocol);
    EXPECT_EQ(code_of(raw_frame(type::batch, 0, 0, ping + ping.substr(0, 15))), code::protocol);
    EXPECT_EQ(code_of(raw_frame(type::batch, 0, 0, raw_frame(type::batch, 0, 0, ping))), code::protocol);
    EXPECT_EQ(code_of(raw_frame(type::batch, 0, 0, raw_frame(type::hello, 0, 0, ping))), code::protocol);
    EXPECT_EQ(code_of(raw_frame(type::batch, 0, 0, raw_frame(0x77, 0xffff, 0, "later") + ping)), 0u);
}

TEST(valkyrie_codec, pieces_are_joined_and_their_rules_enforced) {
    auto piece = [](std::uint32_t stream, bool more, std::string_view body, std::uint16_t flags = flag::payload) {
        return raw_frame(type::state, static_cast<std::uint16_t>(flags | (more ? flag::more : 0)), stream, body);
    };
    frame_reader reader;
    collector seen;
    auto stream = piece(2, true, "one ") + piece(16, true, "x") + raw_frame(type::ping, 0, 0, "12345678") +
                  piece(2, true, "two ") + piece(2, false, "three") + piece(16, false, "y");
    for (char c : stream) ASSERT_FALSE(reader.feed({&c, 1}, seen));
    ASSERT_EQ(seen.frames.size(), 3u);
    EXPECT_EQ(seen.frames[1].second, "one two three");
    EXPECT_EQ(seen.frames[1].first.flags, flag::payload);
    EXPECT_EQ(seen.frames[2].second, "xy");
    EXPECT_FALSE(reader.unfinished());

    EXPECT_EQ(code_of(piece(2, true, "a") + piece(2, false, "b", flag::json)), code::protocol);
    EXPECT_EQ(code_of(piece(2, true, "a") + piece(16, true, "b") + piece(17, true, "c")), code::protocol);
    frame_reader small;
    small.limits.max_message = 10;
    EXPECT_EQ(small.feed(piece(2, true, "123456") + piece(2, true, "123456"), seen).code, code::too_large);
}

TEST(valkyrie_codec, a_connection_frame_between_two_pieces_of_its_stream_joins_no_message) {
    auto piece = [](bool more, std::string_view body) {
        return raw_frame(type::offer, static_cast<std::uint16_t>(flag::payload | (more ? flag::more : 0)), 2, body);
    };
    auto credit = raw_frame(type::credit, 0, 2, "\x01");
    auto stream = piece(true, "one ") + credit + piece(true, "two ") + credit + piece(false, "three");
    for (std::size_t chunk = 1; chunk <= stream.size(); ++chunk) {
        frame_reader reader;
        collector seen;
        for (std::size_t at = 0; at < stream.size(); at += chunk)
            ASSERT_FALSE(reader.feed(std::string_view(stream).substr(at, chunk), seen)) << chunk;
        ASSERT_EQ(seen.frames.size(), 3u);
        EXPECT_EQ(seen.frames[0].first.type, type::credit);
        EXPECT_EQ(seen.frames[1].second, "\x01");
        EXPECT_EQ(seen.frames[2].second, "one two three");
    }
    EXPECT_EQ(code_of(piece(true, "a") + raw_frame(type::ack, flag::payload, 2, "")), code::protocol);
}

TEST(valkyrie_codec, checksums_are_checked_both_ways_of_computing_agree) {
    EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
    std::mt19937 random(1);
    for (int i = 0; i < 200; ++i) {
        std::string bytes(random() % 300, 0);
        for (auto& c : bytes) c = static_cast<char>(random());
        auto cut = random() % (bytes.size() + 1);
        std::string_view all(bytes);
        EXPECT_EQ(crc32c(all.substr(0, cut), all.substr(cut)), crc32c_portable(all));
    }
    auto sealed = raw_frame(type::ping, flag::crc, 0, "12345678....");
    store(sealed.data() + 20, crc32c({sealed.data(), 20}));
    EXPECT_EQ(code_of(sealed, true), 0u);
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        if (i >= 4 && i < 8) continue;  // another type or flag is another refusal
        if (i < 4) continue;            // another length is another frame
        auto broken = sealed;
        broken[i] = static_cast<char>(broken[i] ^ 1);
        EXPECT_EQ(code_of(broken, true), code::checksum) << i;
    }
    EXPECT_EQ(code_of(raw_frame(type::ping, 0, 0, "12345678"), true), code::checksum);
}

TEST(valkyrie_codec, truncated_and_overlong_bodies_are_refused) {
    auto whole = state_frame(7, R"({"state":"failed"})", "result");
    auto header = read_header(whole.data());
    auto body = whole.view().substr(k_header_size);
    session_message m;
    EXPECT_FALSE(decode_session(header, body, m));
    auto fixed = body.size() - std::string_view("result").size();  // the payload may have any length
    for (std::size_t n = 0; n < fixed; ++n) EXPECT_TRUE(decode_session(header, body.substr(0, n), m)) << n;

    header.flags = static_cast<std::uint16_t>(header.flags & ~flag::payload);
    EXPECT_EQ(decode_session(header, body, m).code, code::protocol);  // bytes after the last field
    EXPECT_TRUE(decode_session({0, type::beat, 0, flag::seq, 1}, std::string(11, '\xff'), m));
    EXPECT_TRUE(decode_session({0, type::beat, 0, flag::job_text, 1}, "", m));
    EXPECT_TRUE(decode_session({0, type::beat, 0, flag::substream, 1}, "\xff\xff\xff\xff\x7f", m));
    EXPECT_EQ(decode_session({0, type::log, 0, flag::payload, 2}, std::string(SIGRUN_LOG_MAX + 1, 'x'), m).code,
              code::too_large);
    call_message c;
    EXPECT_TRUE(decode_call({0, type::call, 0, 0, 16}, "", c));
    EXPECT_TRUE(decode_call({0, type::call, 0, 0, 16}, std::string_view("\0", 1), c));
    std::uint64_t n = 0;
    EXPECT_TRUE(decode_credit(std::string_view("\0", 1), n));
    EXPECT_TRUE(decode_ping("1234567", n));
}

TEST(valkyrie_codec, every_text_must_be_utf8) {
    session_message m;
    call_message c;
    const std::string bad = "\x02\xc3(", good = "\x02\xc3\xa4";
    auto refused = [](refusal r) {
        return r.code == code::protocol && std::string_view(r.text).find("UTF-8") != std::string_view::npos;
    };
    EXPECT_TRUE(refused(decode_session({0, type::beat, 0, flag::json, 1}, bad, m)));
    EXPECT_FALSE(decode_session({0, type::beat, 0, flag::json, 1}, good, m));
    constexpr std::uint16_t k_attempt = flag::attempt | flag::job_text;
    EXPECT_TRUE(refused(decode_session({0, type::beat, 0, k_attempt, 1}, bad + "\x01" + good, m)));
    EXPECT_TRUE(refused(decode_session({0, type::beat, 0, k_attempt, 1}, good + "\x01" + bad, m)));
    EXPECT_FALSE(decode_session({0, type::beat, 0, k_attempt, 1}, good + "\x01" + good, m));
    EXPECT_FALSE(decode_session({0, type::beat, 0, flag::payload, 1}, "\xff\xfe", m));  // a payload is bytes
    constexpr std::uint16_t k_all = flag::params | flag::auth | flag::json;
    EXPECT_FALSE(decode_call({0, type::call, 0, k_all, 16}, good + good + good + good, c));
    for (std::size_t i = 0; i < 4; ++i) {
        std::string body;
        for (std::size_t k = 0; k < 4; ++k) body += k == i ? bad : good;
        EXPECT_TRUE(refused(decode_call({0, type::call, 0, k_all, 16}, body, c))) << i;
    }
    // The sender refuses them first.
    byte_buffer out;
    sigrun_frame f{};
    f.kind = SIGRUN_BEAT;
    f.json = str("\xff");
    EXPECT_TRUE(encode_session(out, {1, 0}, f, {}));
    sigrun_call call{};
    call.method = str("m\xff");
    EXPECT_TRUE(encode_call(out, {16, 0}, call, 0, {}));
    EXPECT_TRUE(out.empty());
}

TEST(valkyrie_codec, garbage_never_crashes_the_decoder) {
    std::mt19937 random(20);
    struct strict final : frame_handler {
        bool on_frame(const frame_header& h, std::string_view body) override {
            session_message m;
            call_message c;
            hello o;
            reason_message r;
            (void)decode_session(h, body, m);
            (void)decode_call(h, body, c);
            (void)decode_hello(body, o);
            (void)decode_reason(body, r);
            return true;
        }
    } handler;
    static constexpr std::uint8_t k_types[] = {0, 1, 3, 4, 5, 0x20, 0x21, 0x22, 0x23, 0x25, 0x40, 0x41, 0x99};
    for (int round = 0; round < 20000; ++round) {
        frame_reader reader;
        reader.limits.max_message = 4096;
        std::string bytes;
        for (int frames = 0; frames < 4; ++frames) {
            std::string body(random() % 60, 0);
            for (auto& c : body) c = static_cast<char>(random());
            auto wire_type = k_types[random() % std::size(k_types)];
            auto flags = static_cast<std::uint16_t>(random() & allowed_flags(wire_type).value_or(0xffff));
            bytes += raw_frame(wire_type, flags, static_cast<std::uint32_t>(random() % 20), body);
        }
        if (random() % 2) bytes[random() % bytes.size()] = static_cast<char>(random());
        auto cut = random() % bytes.size();
        if (!reader.feed(std::string_view(bytes).substr(0, cut), handler))
            (void)reader.feed(std::string_view(bytes).substr(cut), handler);
    }
}

TEST(valkyrie_codec, what_cannot_travel_is_refused_and_leaves_the_buffer_alone) {
    byte_buffer out;
    out.append("before");
    sigrun_frame f{};
    f.kind = 31;
    EXPECT_TRUE(encode_session(out, {}, f, {}));
    f.kind = SIGRUN_BEAT;
    f.flags = 8;
    EXPECT_TRUE(encode_session(out, {}, f, {}));
    f.flags = SIGRUN_FRAME_LINK;
    EXPECT_TRUE(encode_session(out, {}, f, {}));
    std::string token(k_max_token + 1, 't');
    sigrun_attempt attempt{sizeof attempt, 1, str("j"), str(token)};
    f.flags = 0;
    f.attempt = &attempt;
    EXPECT_TRUE(encode_session(out, {}, f, {}));
    sigrun_call call{};
    EXPECT_TRUE(encode_call(out, {}, call, 0, {}));
    EXPECT_EQ(out.view(), "before");
}

TEST(valkyrie_codec, hellos_agree_or_say_why_not) {
    hello theirs, ours;
    theirs.version_max = 9;
    theirs.features = feature::crc32c | feature::zstd;
    ours.features = feature::crc32c;
    EXPECT_FALSE(answer_hello(theirs, ours));
    EXPECT_EQ(ours.features, feature::crc32c);
    EXPECT_FALSE(check_answer(theirs, ours));
    hello future = theirs;
    future.version_min = 2;
    EXPECT_EQ(answer_hello(future, ours).code, code::version);
    theirs.required = feature::tls;
    EXPECT_EQ(answer_hello(theirs, ours).code, code::feature);
    ours.echo[3] = 'x';
    EXPECT_EQ(check_answer(theirs, ours).code, code::protocol);
}

// ---- The output queue

namespace {
std::vector<frame_header> headers_of(std::string_view bytes) {
    std::vector<frame_header> out;
    while (!bytes.empty()) {
        out.push_back(read_header(bytes.data()));
        bytes.remove_prefix(k_header_size + out.back().length);
    }
    return out;
}
}  // namespace

TEST(valkyrie_output, control_overtakes_bulk_and_bulk_goes_in_pieces) {
    output queue(1 << 20, 4 << 20);
    queue.grant_log(1 << 20);
    auto big = state_frame(1, {}, std::string(300 * 1024, 'x'));
    queue.add_bulk(lane::session, big, 11, false);
    encode_ping(queue.control(), type::ping, 1);
    byte_buffer wire;
    ASSERT_TRUE(queue.fill(wire));
    auto first = headers_of(wire.view());
    ASSERT_EQ(first.size(), 2u);
    EXPECT_EQ(first[0].type, type::ping);
    EXPECT_EQ(first[1].type, type::state);
    EXPECT_EQ(first[1].stream, k_stream_session_bulk);
    EXPECT_LE(first[1].length, k_piece);
    EXPECT_TRUE(first[1].flags & flag::more);
    wire.clear();
    encode_ping(queue.control(), type::ping, 2);
    ASSERT_TRUE(queue.fill(wire));
    EXPECT_EQ(headers_of(wire.view())[0].type, type::ping);  // between two pieces
    EXPECT_TRUE(queue.holds(11));
    for (wire.clear(); queue.fill(wire); wire.clear()) continue;
    EXPECT_FALSE(queue.holds(11));
    EXPECT_EQ(queue.queued(), 0u);
}

TEST(valkyrie_output, logs_wait_for_credit_and_calls_do_not_wait_for_logs) {
    output queue(1 << 20, 4 << 20);
    queue.grant_log(10);
    auto log = state_frame(1, {}, "some log");
    queue.add_bulk(lane::session, log, 1, true);
    queue.add_bulk(lane::session, log, 1, true);
    queue.add_bulk(lane::calls, log, 0, false);
    byte_buffer wire;
    ASSERT_TRUE(queue.fill(wire));
    EXPECT_EQ(headers_of(wire.view()).size(), 2u);  // one log overdraws the credit, then the call
    EXPECT_LE(queue.log_credit(), 0);
    wire.clear();
    EXPECT_FALSE(queue.fill(wire));
    queue.grant_log(1000);
    EXPECT_TRUE(queue.fill(wire));
}

TEST(valkyrie_output, with_checksums_small_frames_share_one_in_a_batch) {
    output queue(1 << 20, 4 << 20);
    queue.set_crc(true);
    byte_buffer wire;
    encode_ping(queue.control(), type::ping, 1);
    ASSERT_TRUE(queue.fill(wire));
    EXPECT_EQ(headers_of(wire.view())[0].type, type::ping);
    for (std::uint64_t i = 0; i < 10000; ++i) encode_ping(queue.control(), type::ping, i);
    wire.clear();
    ASSERT_TRUE(queue.fill(wire));
    for (const auto& h : headers_of(wire.view())) EXPECT_EQ(h.type, type::batch);
    frame_reader reader;
    reader.limits = {k_min_frame, k_max_message, true};
    collector seen;
    ASSERT_FALSE(reader.feed(wire.view(), seen));
    ASSERT_EQ(seen.frames.size(), 10000u);
    for (std::uint64_t i = 0; i < 10000; ++i) EXPECT_EQ(load<std::uint64_t>(seen.frames[i].second.data()), i);
}

TEST(valkyrie_output, it_says_when_it_is_full_and_when_the_peer_is_stuck) {
    output queue(1000, 4000);
    EXPECT_TRUE(queue.roomy());
    while (!queue.full()) encode_ping(queue.control(), type::ping, 1);
    EXPECT_FALSE(queue.stuck());
    while (queue.queued() < 4100) encode_ping(queue.control(), type::ping, 1);
    EXPECT_TRUE(queue.stuck());
}
