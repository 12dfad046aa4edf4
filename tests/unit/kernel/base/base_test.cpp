#include "kernel/base/clock.hpp"
#include "kernel/base/id.hpp"
#include "kernel/base/json.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <unordered_set>
#include <vector>

namespace sigrun {
namespace {

TEST(id, prints_as_a_version_7_uuid_and_reads_back) {
    for (int i = 0; i < 100; ++i) {
        id made = id::make();
        std::string text = made.text();
        ASSERT_EQ(text.size(), 36u);
        EXPECT_EQ(text[14], '7') << text;
        EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << text;
        EXPECT_EQ(id::parse(text), made);
        EXPECT_LT(made.shard(), 64u);
    }
}

TEST(id, reads_upper_case_and_refuses_everything_else) {
    EXPECT_EQ(id::parse("0190A000-0000-7000-8000-00000000000F")->low, 0x800000000000000full);
    for (auto text : {"", "0190a000-0000-7000-8000-00000000000", "0190a000-0000-7000-8000-00000000000ff",
                      "0190a000x0000-7000-8000-00000000000f", "0190a000-0000-7000-8000-00000000000g",
                      "0190a0000000-7000-8000-00000000000f--"})
        EXPECT_FALSE(id::parse(text)) << text;
}

TEST(id, is_ordered_by_time_and_unique_over_threads) {
    EXPECT_FALSE(id{});
    std::vector<std::vector<id>> made(4);
    std::vector<std::thread> threads;
    for (auto& list : made)
        threads.emplace_back([&list] {
            for (int i = 0; i < 5000; ++i) list.push_back(id::make());
        });
    for (auto& t : threads) t.join();
    std::unordered_set<id> all;
    for (const auto& list : made) {
        all.insert(list.begin(), list.end());
        for (std::size_t i = 1; i < list.size(); ++i) EXPECT_LE(list[i - 1].high >> 16, list[i].high >> 16);
    }
    EXPECT_EQ(all.size(), 20'000u);
}

TEST(random_secret, is_hex_of_the_length_asked_for_and_never_repeats) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        auto secret = random_secret(16);
        EXPECT_EQ(secret.size(), 32u);
        EXPECT_EQ(secret.find_first_not_of("0123456789abcdef"), std::string::npos);
        seen.insert(secret);
    }
    EXPECT_EQ(seen.size(), 100u);
    EXPECT_EQ(random_secret(0), "");
}

TEST(rfc3339, prints_utc_with_milliseconds) {
    EXPECT_EQ(to_rfc3339(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(to_rfc3339(1'767'607'200'123'999'999), "2026-01-05T10:00:00.123Z");
}

TEST(manual_clock, stands_still_until_advanced) {
    manual_clock clock;
    auto before = clock.now();
    auto wall = clock.wall_ns();
    EXPECT_EQ(clock.now(), before);
    clock.advance(std::chrono::seconds(5));
    EXPECT_EQ(clock.now() - before, std::chrono::seconds(5));
    EXPECT_EQ(clock.wall_ns() - wall, 5'000'000'000);
}

TEST(problem, survives_the_way_through_json) {
    problem p = bad_value("timeouts.run", "a duration such as 30s", "\"abc\"");
    p.retry_after_ms = 250;
    problem back = problem::from_json(p.to_json());
    EXPECT_EQ(back.code, p.code);
    EXPECT_EQ(back.message, p.message);
    EXPECT_EQ(back.field, p.field);
    EXPECT_EQ(back.expected, p.expected);
    EXPECT_EQ(back.found, p.found);
    EXPECT_EQ(back.retry_after_ms, 250u);
    EXPECT_EQ(p.text(), "timeouts.run: expected a duration such as 30s, found \"abc\"");
}

TEST(problem, a_quotation_cut_within_a_character_is_still_utf8) {
    auto p = bad_value("state", "queued", std::string("gr\xc3\xbc\xc3\x9f").substr(0, 5));
    auto back = problem::from_json(p.to_json());
    EXPECT_EQ(back.field, "state");
    EXPECT_EQ(back.found, "gr\xc3\xbc?");
}

TEST(problem, every_code_keeps_its_name) {
    for (int c = 0; c <= static_cast<int>(errc::internal); ++c) {
        auto code = static_cast<errc>(c);
        EXPECT_EQ(problem::from_json(make_problem(code, "x").to_json()).code, code) << to_string(code);
        EXPECT_LT(make_problem(code, "x").to_abi(), 0);
    }
}

TEST(problem, text_of_a_plugin_becomes_a_problem_whatever_it_is) {
    EXPECT_EQ(problem::from_abi(SIGRUN_E_TIMEOUT, "late").code, errc::timeout);
    EXPECT_EQ(problem::from_abi(SIGRUN_E_TIMEOUT, "late").message, "late");
    EXPECT_EQ(problem::from_abi(-12345, "").code, errc::internal);
    EXPECT_EQ(problem::from_abi(SIGRUN_E_IO, "{not json").code, errc::internal);
    EXPECT_EQ(problem::from_json("[1]").code, errc::internal);
    EXPECT_EQ(problem::from_json("").message, "no reason given");
    EXPECT_EQ(problem::from_json(R"({"code":"busy","retry_after_ms":-1})").retry_after_ms, 0u);
    EXPECT_EQ(problem::from_json(R"({"code":7,"title":["x"]})").message, "");
}

TEST(json, parse_object_tells_where_a_document_is_wrong) {
    EXPECT_TRUE(parse_object("{\"a\":1}"));
    EXPECT_TRUE(parse_object("{}  \n"));
    EXPECT_NE(parse_object("{\"a\":}").error().text().find("byte"), std::string::npos);
    EXPECT_EQ(parse_object("").error().found, "nothing");
    EXPECT_EQ(parse_object("[]").error().found, "another JSON value");
    EXPECT_FALSE(parse_object("{} x"));
    EXPECT_FALSE(parse_object("{\"a\":"));
}

TEST(json, nesting_is_limited) {
    auto nested = [](int depth) {
        return "{\"a\":" + std::string(static_cast<std::size_t>(depth), '[') +
               std::string(static_cast<std::size_t>(depth), ']') + "}";
    };
    EXPECT_TRUE(parse_object(nested(20)));
    EXPECT_FALSE(parse_object(nested(40)));
    EXPECT_FALSE(parse_object(nested(100'000)));
}

TEST(json, readers_fall_back_when_a_member_is_missing_or_of_another_type) {
    auto o = parse_object(R"({"t":"x","n":3,"b":true,"o":{},"a":[],"big":1e300})").value();
    EXPECT_EQ(text_or(o, "t", "y"), "x");
    EXPECT_EQ(text_or(o, "n", "y"), "y");
    EXPECT_EQ(text_or(o, "missing"), "");
    EXPECT_EQ(number_or(o, "n", 7), 3);
    EXPECT_EQ(number_or(o, "t", 7), 7);
    EXPECT_EQ(number_or(o, "big", 7), 7);
    EXPECT_TRUE(bool_or(o, "b", false));
    EXPECT_FALSE(bool_or(o, "n", false));
    EXPECT_NE(object_or_null(o, "o"), nullptr);
    EXPECT_EQ(object_or_null(o, "a"), nullptr);
    EXPECT_NE(array_or_null(o, "a"), nullptr);
    EXPECT_EQ(array_or_null(o, "missing"), nullptr);
}

TEST(result, value_throws_the_problem) {
    result<int> wrong = bad_value("x", "y", "z");
    try {
        (void)wrong.value();
        FAIL() << "did not throw";
    } catch (const problem_error& e) {
        EXPECT_EQ(e.what_happened().field, "x");
        EXPECT_STREQ(e.what(), "x: expected y, found z");
    }
}

}  // namespace
}  // namespace sigrun
