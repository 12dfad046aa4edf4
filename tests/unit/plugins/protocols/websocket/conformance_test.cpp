// RFC 6455 as a peer meets it that writes every byte by hand: what is right goes, what is wrong ends with the right code.
#include "ws_rig.hpp"

#include <boost/beast/zlib/deflate_stream.hpp>

using namespace rig;

namespace {

const std::string k_call = R"({"kind":"call","id":1,"method":"echo","json":{"text":"ä€😀"}})";
const std::string k_answer = R"({"kind":"reply","id":1,"flags":1,"json":{"text":"ä€😀"}})";

/// The code with which the connection ends after these bytes, and nothing was called.
unsigned code_after(std::string_view bytes, const options& with = {}) {
    controller server(with);
    auto c = raw_client::open(server);
    c.say(bytes);
    const auto f = c.hear_close();
    EXPECT_TRUE(f.fin);
    EXPECT_EQ(f.reserved, 0u);
    EXPECT_LE(f.payload.size(), 125u);
    const auto code = f.code();
    c.close();
    EXPECT_TRUE(eventually([&] { return server.all_ended(); }));
    EXPECT_EQ(server.calls, 0);
    return code;
}

/// As the payload of a compressed message: without the four bytes that every message ends with.
std::string deflated(std::string_view text) {
    boost::beast::zlib::deflate_stream z;
    std::string out(z.upper_bound(text.size()) + 64, '\0');
    boost::beast::zlib::z_params p;
    p.next_in = text.data();
    p.avail_in = text.size();
    p.next_out = out.data();
    p.avail_out = out.size();
    boost::system::error_code ec;
    z.write(p, boost::beast::zlib::Flush::sync, ec);
    out.resize(p.total_out);
    EXPECT_EQ(out.substr(out.size() - 4), std::string("\0\0\xff\xff", 4));
    out.resize(out.size() - 4);
    return out;
}

std::string frame(unsigned first, std::string_view payload = {}) { return raw_client::frame(first, payload); }

}  // namespace

TEST(websocket_conformance, a_message_may_come_in_fragments_of_any_size_with_control_frames_between) {
    controller server;
    auto c = raw_client::open(server);
    for (std::size_t cut : {1u, 2u, 3u, 7u, 50u}) {
        std::size_t pings = 0;
        for (std::size_t at = 0; at < k_call.size(); at += cut) {
            const bool last = at + cut >= k_call.size();
            c.say_frame((at ? 0x00u : 0x01u) | (last ? 0x80u : 0u), std::string_view(k_call).substr(at, cut));
            if (last) break;
            c.say_frame(0x89, sdk::concat(pings++));
            c.say_frame(0x8a, "a pong nobody asked for");
        }
        for (std::size_t i = 0; i < pings; ++i) {
            const auto pong = c.hear();
            EXPECT_EQ(pong.opcode, 10u);
            EXPECT_EQ(pong.payload, sdk::concat(i));
        }
        EXPECT_EQ(c.hear().payload, k_answer) << cut;
    }
    c.say(frame(0x01) + frame(0x00) + frame(0x00, k_call) + frame(0x80));  // also empty ones
    EXPECT_EQ(c.hear().payload, k_answer);
}

TEST(websocket_conformance, pings_are_answered_with_their_payload_up_to_125_bytes) {
    controller server;
    auto c = raw_client::open(server);
    for (auto& payload : {std::string(), std::string("x"), std::string(125, '\xff')}) {
        c.say_frame(0x89, payload);
        const auto pong = c.hear();
        EXPECT_EQ(pong.opcode, 10u);
        EXPECT_EQ(pong.payload, payload);
    }
}

TEST(websocket_conformance, a_breach_of_the_framing_ends_with_1002) {
    EXPECT_EQ(code_after(raw_client::frame(0x81, k_call, false)), 1002u) << "not masked";
    EXPECT_EQ(code_after(frame(0x89, std::string(126, 'x'))), 1002u) << "a control frame of 126 bytes";
    EXPECT_EQ(code_after(frame(0x09, "x")), 1002u) << "a control frame in fragments";
    EXPECT_EQ(code_after(frame(0x08, "")), 1002u) << "a close frame in fragments";
    for (unsigned rsv : {0x40u, 0x20u, 0x10u, 0x70u})
        EXPECT_EQ(code_after(frame(0x81 | rsv, k_call)), 1002u) << "reserved bits " << rsv;
    for (unsigned opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u})
        EXPECT_EQ(code_after(frame(0x80 | opcode, "x")), 1002u) << "opcode " << opcode;
    EXPECT_EQ(code_after(frame(0x80, "x")), 1002u) << "a continuation of nothing";
    EXPECT_EQ(code_after(frame(0x01, "a") + frame(0x81, "b")), 1002u) << "a message within a message";
    EXPECT_EQ(code_after(frame(0x01, "a") + frame(0x82, "b")), 1002u);
    EXPECT_EQ(code_after(frame(0x88, "x")), 1002u) << "a close frame of one byte";
    for (unsigned code : {0u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 2000u, 2999u}) {
        const char bytes[] = {static_cast<char>(code >> 8), static_cast<char>(code)};
        EXPECT_EQ(code_after(frame(0x88, std::string_view(bytes, 2))), 1002u) << "close code " << code;
    }
    EXPECT_EQ(code_after("\x81\xfe" + std::string("\0\x05", 2) + "\1\2\3\4hello"), 1002u)
        << "a length that is not the shortest";
}

TEST(websocket_conformance, a_right_close_is_answered_with_its_code) {
    for (unsigned code : {1000u, 1001u, 1002u, 1003u, 1007u, 1008u, 1009u, 1010u, 1011u, 3000u, 3999u, 4000u, 4999u}) {
        const char bytes[] = {static_cast<char>(code >> 8), static_cast<char>(code)};
        EXPECT_EQ(code_after(frame(0x88, std::string(bytes, 2) + "reason")), code);
    }
    controller server;
    auto c = raw_client::open(server);
    c.say_frame(0x88);
    const auto f = c.hear_close();
    EXPECT_EQ(f.opcode, 8u);
    EXPECT_EQ(c.hear().opcode, 16u);
}

TEST(websocket_conformance, text_that_is_not_utf8_ends_with_1007_also_where_fragments_cut_it) {
    for (std::string_view bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"}) {
        EXPECT_EQ(code_after(frame(0x81, bad)), 1007u);
        if (bad.size() < 2) continue;
        EXPECT_EQ(code_after(frame(0x01, bad.substr(0, 1)) + frame(0x80, bad.substr(1))), 1007u);
    }
    EXPECT_EQ(code_after(frame(0x88, std::string("\x03\xe8", 2) + "\xff")), 1002u) << "in the reason of a close";
    controller server;
    auto c = raw_client::open(server);
    c.say(frame(0x82, std::string("\0\0\0\x02", 4) + "\xff\xff"));
    const auto f = c.hear_close();
    EXPECT_EQ(f.code(), 4400u) << "the JSON of a binary message is ours to judge";
}

TEST(websocket_conformance, a_message_above_max_message_ends_with_1009_before_it_is_read) {
    const options small{{"max_message", "128KiB"}};
    EXPECT_EQ(code_after(frame(0x82, std::string(129 << 10, 'x')), small), 1009u);
    std::string header("\x82\xff\0\0\0\x7f\0\0\0\0\1\2\3\4", 14);  // announces half a terabyte
    EXPECT_EQ(code_after(header, small), 1009u);
    std::string many = frame(0x02, std::string(60 << 10, 'x'));
    for (int i = 0; i < 3; ++i) many += frame(0x00, std::string(60 << 10, 'x'));
    EXPECT_EQ(code_after(many, small), 1009u) << "its fragments count together";
}

TEST(websocket_conformance, a_message_that_is_none_ends_with_4400_and_the_reason) {
    controller server;
    for (auto bad : {"{", "[]", R"({"kind":"dance"})", R"({"kind":"end"})", R"({"kind":"reply","id":1})",
                     R"({"kind":"beat","json":{}})"}) {
        auto c = raw_client::open(server);
        c.say_text(bad);
        const auto f = c.hear_close();
        EXPECT_EQ(f.code(), 4400u) << bad;
        EXPECT_GT(f.payload.size(), 10u) << bad;
    }
    auto c = raw_client::open(server);  // a call that has a number is answered instead
    c.say_text(R"({"kind":"call","id":3,"params":{}})");
    const auto problem = c.hear_json();
    EXPECT_EQ(problem.at("id").to_number<int>(), 3);
    EXPECT_EQ(problem.at("flags").to_number<int>(), 3);
    EXPECT_EQ(problem.at("json").at("field").as_string(), "message.method");
    c.say_text(k_call);
    EXPECT_EQ(c.hear().payload, k_answer) << "and the connection goes on";
    EXPECT_GE(server.host.metric("sigrun_websocket_protocol_errors_total"), 6.0);
}

TEST(websocket_conformance, a_number_in_use_cannot_be_used_again) {
    controller server;
    auto c = raw_client::open(server);
    c.say_text(R"({"kind":"call","id":1,"method":"hold"})");
    c.say_text(R"({"kind":"call","id":1,"method":"echo"})");
    EXPECT_EQ(c.hear_close().code(), 4400u);
    EXPECT_TRUE(eventually([&] { return server.ended == 1; }));
}

TEST(websocket_conformance, a_half_closed_peer_and_one_that_is_gone_end_their_calls) {
    controller server;
    {
        auto c = raw_client::open(server);
        c.say_text(R"({"kind":"call","id":1,"method":"hold"})");
        ASSERT_TRUE(eventually([&] { return server.held_count() == 1; }));
        c.end_writing();
        EXPECT_TRUE(eventually([&] { return server.ended == 1 && server.all_ended(); }));
    }
    auto c = raw_client::open(server);
    c.say_text(R"({"kind":"call","id":1,"method":"hold"})");
    ASSERT_TRUE(eventually([&] { return server.held_count() == 1; }));
    c.say(frame(0x01, "half of"));
    const linger now{1, 0};
    setsockopt(c.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    c.close();
    EXPECT_TRUE(eventually([&] { return server.ended == 2 && server.all_ended(); }));
}

TEST(websocket_conformance, compression_is_agreed_on_and_a_bomb_is_stopped_at_the_limit) {
    controller server(options{{"max_message", "128KiB"}});
    auto c = raw_client::open(server, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    // "Hello" compressed, RFC 7692, section 7.2.3.1; it is no JSON, which proves that it was understood.
    c.say_frame(0xc1, std::string("\xf2\x48\xcd\xc9\xc9\x07\x00", 7));
    auto f = c.hear_close();
    EXPECT_EQ(f.code(), 4400u);
    auto bomb = raw_client::open(server, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    const auto many = deflated(std::string(8 << 20, '\0'));
    ASSERT_LT(many.size(), 16u << 10) << "a thousand to one";
    bomb.say_frame(0xc2, many);
    f = bomb.hear_close();
    EXPECT_EQ(f.code(), 1009u);
    auto bad = raw_client::open(server, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    bad.say_frame(0xc1, std::string(40, '\xff'));
    EXPECT_EQ(bad.hear_close().code(), 1007u) << "what cannot be inflated";
    EXPECT_EQ(server.calls, 0);
    controller off(options{{"compression", "off"}});
    auto plain = raw_client::dial(off);
    plain.say(upgrade_request("Sec-WebSocket-Extensions: permessage-deflate\r\n"));
    EXPECT_EQ(plain.hear_head().find("permessage-deflate"), std::string::npos);
}
