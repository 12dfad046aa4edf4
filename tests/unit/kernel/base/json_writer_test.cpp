#include "kernel/base/json_writer.hpp"

#include "kernel/base/base64.hpp"
#include "kernel/base/json.hpp"

#include <gtest/gtest.h>

namespace {

std::string json_text(std::string_view text) {
    std::string out;
    sigrun::append_json_string(out, text);
    return out;
}

TEST(json_writer, what_it_writes_is_what_a_parser_reads) {
    std::string out;
    sigrun::json_writer w(out);
    w.open_object().member("name", "a \"b\"\n").member("n", 42).member("yes", true).key("list").open_array();
    w.value(1).value("two").null().open_object().close_object().close_array().key("empty").open_array().close_array();
    w.close_object();
    auto o = sigrun::parse_object(out);
    ASSERT_TRUE(o) << out;
    EXPECT_EQ(o->at("name"), "a \"b\"\n");
    EXPECT_EQ(o->at("n"), 42);
    EXPECT_EQ(o->at("list").as_array().size(), 4u);
}

TEST(json_writer, every_byte_becomes_a_legal_string) {
    for (int c = 0; c < 256; ++c) {
        std::string text = "x" + std::string(1, static_cast<char>(c)) + "y";
        boost::system::error_code ec;
        auto v = boost::json::parse(json_text(text), ec);
        ASSERT_FALSE(ec) << c;
        if (c < 128) {
            EXPECT_EQ(v.as_string(), text);
        } else {
            EXPECT_EQ(v.as_string(), "x\xEF\xBF\xBDy") << c;
        }
    }
}

TEST(json_writer, utf8_passes_and_overlong_or_surrogate_forms_do_not) {
    EXPECT_EQ(json_text("h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"), "\"h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"");
    for (std::string_view bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82"}) {
        std::string expected = "\"";
        for (std::size_t i = 0; i < bad.size(); ++i) expected += "\xEF\xBF\xBD";
        EXPECT_EQ(json_text(bad), expected + "\"");
    }
}

TEST(base64, round_trip_of_every_length_and_refusal_of_other_text) {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        auto text = sigrun::to_base64(bytes);
        EXPECT_EQ(text.size() % 4, 0u);
        EXPECT_EQ(sigrun::from_base64(text), bytes);
        bytes += static_cast<char>(i * 7);
    }
    EXPECT_EQ(sigrun::to_base64("hello"), "aGVsbG8=");
    EXPECT_EQ(sigrun::from_base64("aGVsbG8"), "hello");
    EXPECT_FALSE(sigrun::from_base64("a"));
    EXPECT_FALSE(sigrun::from_base64("ab cd"));
    EXPECT_FALSE(sigrun::from_base64("=abc"));
}

}  // namespace
