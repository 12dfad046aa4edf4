// The messages of sigrun.v1 without a connection.
#include "wire/message.hpp"

#include "wire/limit.hpp"

#include <gtest/gtest.h>

using namespace sigrun;
using namespace sigrun::websocket;

namespace {

std::string refusal(std::string_view bytes, bool binary = false, std::uint64_t* call = nullptr) {
    sdk::mismatch why;
    std::uint64_t id = 0;
    const auto m = unpack(bytes, binary, why, id);
    if (call) *call = id;
    EXPECT_FALSE(m) << bytes;
    EXPECT_TRUE(sdk::is_utf8(why.text()));
    return m ? "" : why.text();
}

message understood(std::string_view bytes, bool binary = false) {
    sdk::mismatch why;
    std::uint64_t id = 0;
    auto m = unpack(bytes, binary, why, id);
    if (!m) throw std::runtime_error(why.text());
    return std::move(*m);
}

std::string binary_of(std::string_view json, std::string_view payload) {
    std::string out{0, 0, static_cast<char>(json.size() >> 8), static_cast<char>(json.size())};
    return out.append(json).append(payload);
}

sigrun_frame frame_of(std::uint32_t kind) {
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = kind;
    return f;
}

}  // namespace

TEST(websocket_message, a_call_has_a_number_a_method_and_what_it_needs) {
    const auto m = understood(
        R"({"kind":"call","id":7,"method":"jobs.submit","params":{"wait":"1s"},"json":{"kind":"process"},"auth":"bearer x","deadline_ms":250})");
    EXPECT_EQ(m.what, sort::call);
    EXPECT_EQ(m.id, 7u);
    EXPECT_EQ(m.method, "jobs.submit");
    EXPECT_EQ(m.params, R"({"wait":"1s"})");
    EXPECT_EQ(m.frame.json, R"({"kind":"process"})");
    EXPECT_EQ(m.auth, "bearer x");
    EXPECT_EQ(m.deadline_ms, 250u);
    EXPECT_FALSE(m.frame.has_payload);
}

TEST(websocket_message, bytes_come_beside_the_json_or_as_base64_within) {
    const auto beside =
        understood(binary_of(R"({"kind":"call","id":1,"method":"m"})", std::string_view("\0\xff", 2)), true);
    EXPECT_TRUE(beside.frame.has_payload);
    EXPECT_EQ(beside.frame.payload, std::string_view("\0\xff", 2));
    EXPECT_EQ(understood(R"({"kind":"call","id":1,"method":"m","payload":"AP8="})").frame.payload,
              beside.frame.payload);
    EXPECT_TRUE(understood(binary_of(R"({"kind":"log"})", ""), true).frame.has_payload) << "no bytes are bytes, too";
    const auto log =
        understood(R"({"kind":"log","attempt":{"job":"j","number":2,"token":"t"},"stream":1,"payload":"aGk="})");
    EXPECT_EQ(log.what, sort::session);
    EXPECT_EQ(log.frame.attempt, 2u);
    EXPECT_EQ(log.frame.payload, "hi");
}

TEST(websocket_message, what_is_none_is_refused_with_the_member_that_is_wrong) {
    EXPECT_NE(refusal("").find("JSON"), std::string::npos);
    EXPECT_NE(refusal("[1]").find("a JSON object"), std::string::npos);
    EXPECT_NE(refusal(R"({"kind":"dance"})").find("frame.kind: expected the name of a frame kind, found dance"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"kind":"ping"})").find("kind"), std::string::npos) << "that one is of the HTTP protocol";
    for (auto id : {"", R"(,"id":0)", R"(,"id":-1)", R"(,"id":1.5)", R"(,"id":"1")", R"(,"id":9007199254740992)"})
        EXPECT_NE(refusal(sdk::concat(R"({"kind":"end")", id, "}")).find("message.id"), std::string::npos) << id;
    std::uint64_t call = 0;
    EXPECT_NE(refusal(R"({"kind":"call","id":5})", false, &call).find("message.method"), std::string::npos);
    EXPECT_EQ(call, 5u) << "it can be answered";
    EXPECT_NE(refusal(R"({"kind":"call","id":5,"method":"m","params":[]})", false, &call).find("message.params"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"kind":"call","id":5,"method":"m","payload":"?"})", false, &call).find("base64"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"kind":"reply","id":5,"json":)", false, &call).find("JSON"), std::string::npos);
    EXPECT_EQ(call, 0u);
}

TEST(websocket_message, a_binary_message_says_how_long_its_json_is) {
    EXPECT_NE(refusal("\0\0\0", true).find("4 bytes"), std::string::npos);
    EXPECT_NE(refusal(std::string_view("\0\0\0\x09{}", 6), true).find("at most 2"), std::string::npos);
    EXPECT_NE(refusal(std::string_view("\xff\xff\xff\xff{}", 6), true).find("at most 2"), std::string::npos);
    EXPECT_NE(refusal(binary_of("{\"kind\":\"\xff\"}", ""), true).find("UTF-8"), std::string::npos);
    EXPECT_NE(refusal(binary_of(R"({"kind":"log","payload":"aGk="})", "x"), true).find("message.payload"),
              std::string::npos);
    EXPECT_NE(refusal(binary_of(R"({"kind":"end","id":1})", ""), true).find("end"), std::string::npos);
    EXPECT_NE(refusal(binary_of(R"({"kind":"log"})", std::string(SIGRUN_LOG_MAX + 1, 'x')), true).find("64 KiB"),
              std::string::npos);
    EXPECT_NE(refusal(std::string(100000, '[')).find("JSON"), std::string::npos) << "depth is bounded";
}

TEST(websocket_message, what_is_packed_is_understood_and_texts_that_are_no_text_are_not_packed) {
    auto f = frame_of(SIGRUN_STATE);
    const sigrun_attempt attempt{sizeof attempt, 3, sdk::str("job\n\"x\""), sdk::str("7-1")};
    f.flags = SIGRUN_FRAME_LAST;
    f.attempt = &attempt;
    f.offset = 1ull << 60;
    f.json = sdk::str(R"({"exit_code":0})");
    const auto packed = pack_frame(f, {});
    ASSERT_TRUE(packed);
    EXPECT_FALSE(packed->binary);
    const auto m = understood(packed->bytes);
    EXPECT_EQ(m.frame.job, "job\n\"x\"");
    EXPECT_EQ(m.frame.offset, 1ull << 60);
    EXPECT_EQ(m.frame.flags, std::uint32_t{SIGRUN_FRAME_LAST});

    f.json = sdk::str("\"\xff\"");
    EXPECT_FALSE(pack_frame(f, {}));
    EXPECT_FALSE(pack_frame(frame_of(99), {}));
    EXPECT_FALSE(pack_frame(frame_of(0), {}));
    sigrun_call call{};
    call.struct_size = sizeof call;
    EXPECT_FALSE(pack_call(call, {}, 1, 0)) << "without a method";
    call.method = sdk::str("m");
    call.auth = sdk::str("bearer \xff");
    EXPECT_FALSE(pack_call(call, {}, 1, 0));
    call.auth = {};
    EXPECT_EQ(pack_call(call, {}, 1, 0)->bytes, R"({"kind":"call","id":1,"method":"m"})");
    EXPECT_EQ(pack_end(9).bytes, R"({"kind":"end","id":9})");
}

TEST(websocket_message, a_limit_is_a_number_or_nothing) {
    EXPECT_EQ(message_limit("1048576"), 1048576u);
    for (auto bad : {"", "x", "1 ", "-1", "99999999999999999999999"}) EXPECT_EQ(message_limit(bad), 0u) << bad;
}
