#include "dial/endpoint.hpp"
#include "h2/outbox.hpp"
#include "session/frame_codec.hpp"
#include "wire/deframer.hpp"
#include "wire/metadata.hpp"
#include "wire/problem.hpp"

#include <sigrun/cpp/error.hpp>

#include <gtest/gtest.h>

using namespace sigrun::grpc;
namespace sdk = sigrun::sdk;

TEST(grpc_timeout, every_unit_and_what_is_none) {
    EXPECT_EQ(parse_timeout("1n"), 1u);
    EXPECT_EQ(parse_timeout("2u"), 2000u);
    EXPECT_EQ(parse_timeout("3m"), 3'000'000u);
    EXPECT_EQ(parse_timeout("4S"), 4'000'000'000u);
    EXPECT_EQ(parse_timeout("5M"), 300'000'000'000u);
    EXPECT_EQ(parse_timeout("6H"), 21'600'000'000'000u);
    EXPECT_TRUE(parse_timeout("99999999H"));
    for (auto bad : {"", "5", "S", "x1S", "1s", "123456789S", "-1S", "1 S"}) EXPECT_FALSE(parse_timeout(bad)) << bad;
}

TEST(grpc_timeout, survives_the_way_there_and_back) {
    for (std::uint64_t n : {1ull, 999ull, 100'000'001ull, 5'000'000'000ull, 86'400'000'000'000ull}) {
        const auto back = parse_timeout(format_timeout(n));
        ASSERT_TRUE(back) << n;
        EXPECT_GE(*back, n);
        EXPECT_LE(*back, n + n / 1000 + 1000);
    }
}

TEST(grpc_metadata, messages_and_binary_values_survive) {
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    EXPECT_EQ(percent_decode(percent_encode(all)), all);
    EXPECT_EQ(percent_encode("a b%\n"), "a b%25%0A");
    EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
    for (std::size_t n = 0; n < 7; ++n) EXPECT_EQ(from_base64(to_base64(all.substr(0, n))), all.substr(0, n));
    EXPECT_EQ(from_base64(to_base64(all)), all);
    EXPECT_EQ(from_base64("YQ=="), "a");
    EXPECT_FALSE(from_base64("a"));
    EXPECT_FALSE(from_base64("a b="));
}

TEST(grpc_deframer, messages_cut_at_every_byte) {
    const std::string wire = framed("hello") + framed("") + framed(std::string(300, 'x'));
    for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
        deframer d(1000);
        std::vector<std::string> got;
        auto take = [&](std::string m) { return got.push_back(std::move(m)), true; };
        EXPECT_FALSE(d.feed(std::string_view(wire).substr(0, cut), take));
        EXPECT_FALSE(d.feed(std::string_view(wire).substr(cut), take));
        EXPECT_EQ(got, (std::vector<std::string>{"hello", "", std::string(300, 'x')}));
        EXPECT_FALSE(d.unfinished());
    }
}

TEST(grpc_deframer, limits_and_compression_are_told) {
    auto take = [](std::string) { return true; };
    EXPECT_EQ(deframer(4).feed(framed("hello"), take)->what, code::resource_exhausted);
    std::string compressed = framed("x");
    compressed[0] = 1;
    EXPECT_EQ(deframer(9).feed(compressed, take)->what, code::unimplemented);
    compressed[0] = 2;
    EXPECT_EQ(deframer(9).feed(compressed, take)->what, code::internal);
    deframer d(9);
    EXPECT_FALSE(d.feed(framed("x").substr(0, 3), take));
    EXPECT_TRUE(d.unfinished());
}

TEST(grpc_status, each_problem_code_has_its_status) {
    EXPECT_EQ(status_of(R"({"code":"not_found","title":"t","detail":"d","field":"id"})", SIGRUN_E_IO).what,
              code::not_found);
    EXPECT_EQ(status_of(R"({"code":"busy","title":"t"})", SIGRUN_E_IO).what, code::resource_exhausted);
    EXPECT_EQ(status_of(R"({"code":"conflict","title":"t"})", SIGRUN_E_IO).what, code::failed_precondition);
    EXPECT_EQ(status_of(R"({"code":"never heard","title":"t"})", SIGRUN_E_IO).what, code::unknown);
    const auto plain = status_of("no json", SIGRUN_E_TIMEOUT);
    EXPECT_EQ(plain.what, code::deadline_exceeded);
    EXPECT_EQ(plain.problem, R"({"code":"timeout","title":"no json"})");
    const auto full =
        status_of(R"({"code":"invalid","title":"bad","field":"f","expected":"e","found":"g"})", SIGRUN_E_IO);
    EXPECT_EQ(full.message, "bad; field f, expected e, found g");
}

TEST(grpc_outbox, control_overtakes_bulk_but_not_its_own_attempt) {
    outbox out;
    auto all = [&] {
        std::string text(100, ' ');
        text.resize(out.take(text.data(), text.size()));
        return text;
    };
    out.push_bulk("L1", 7, 2);
    out.push("c");
    EXPECT_EQ(all(), "c");  // no credit: the log waits
    EXPECT_TRUE(out.holds(7));
    out.push_bulk("S", 7, 0);
    EXPECT_EQ(all(), "");
    out.grant(2);
    EXPECT_EQ(all(), "L1S");
    EXPECT_TRUE(out.empty());
    EXPECT_FALSE(out.holds(7));
}

TEST(grpc_endpoint, parts_and_what_is_wrong_with_them) {
    auto e = parse_endpoint("grpc://h:1", "");
    EXPECT_EQ(e.address, "h:1");
    EXPECT_FALSE(e.tls);
    e = parse_endpoint("grpcs://h", R"({"token":"abc","tls":{"ca":"/x"}})");
    EXPECT_EQ(e.address, "h:7070");
    EXPECT_TRUE(e.tls);
    EXPECT_EQ(e.authorization, "Bearer abc");
    EXPECT_EQ(parse_endpoint("grpc://[::1]", "").address, "[::1]:7070");
    EXPECT_EQ(parse_endpoint("grpc://[::1]:5/", "").address, "[::1]:5");
    EXPECT_EQ(parse_endpoint("grpc+unix:///a/b", "").address, "unix:/a/b");
    for (auto bad : {"http://h", "grpc://", "grpc://:1", "grpc://h:0", "grpc://h:70000", "grpc://h:x", "grpc://a:b:1",
                     "grpc://h/x", "grpc+unix://a", "grpc+unix:///"})
        EXPECT_THROW(parse_endpoint(bad, ""), sdk::failure) << bad;
    for (auto bad : {"1", "{", R"({"tokn":"x"})", R"({"token":1})", R"({"token":"a\nb"})"})
        EXPECT_THROW(parse_endpoint("grpc://h", bad), sdk::failure) << bad;
}

TEST(grpc_frames, every_field_survives) {
    sigrun_attempt attempt{sizeof attempt, 3, sdk::str("job"), sdk::str("token")};
    sigrun_frame f{sizeof f, SIGRUN_STATE, 1, 2, 3, 4, 5, 6, 7, &attempt, sdk::str(R"({"a":1})"), nullptr};
    const auto wire = encode_frame(f, {});
    ASSERT_TRUE(wire);
    sigrun::v1::SessionMessage m;
    ASSERT_TRUE(m.ParseFromString(wire->substr(5)));
    frame_view back(m.frame());
    EXPECT_EQ(back.frame.kind, SIGRUN_STATE);
    EXPECT_EQ(back.frame.flags, 1u);
    EXPECT_EQ(back.frame.stream, 2u);
    EXPECT_EQ(back.frame.seq, 3u);
    EXPECT_EQ(back.frame.ack, 4u);
    EXPECT_EQ(back.frame.offset, 5u);
    EXPECT_EQ(back.frame.time_ns, 6u);
    EXPECT_EQ(back.frame.hash, 7u);
    ASSERT_TRUE(back.frame.attempt);
    EXPECT_EQ(back.frame.attempt->number, 3u);
    EXPECT_EQ(sdk::view(back.frame.attempt->job), "job");
    EXPECT_EQ(sdk::view(back.frame.json), R"({"a":1})");
    EXPECT_FALSE(fault_of(m.frame()));
    EXPECT_EQ(attempt_key(&attempt), attempt_key(m.frame()));
    f.json = sdk::str("\xff");
    EXPECT_FALSE(encode_frame(f, {}));
    m.mutable_frame()->set_kind(static_cast<sigrun::v1::Frame::Kind>(77));
    EXPECT_TRUE(fault_of(m.frame()));
}
