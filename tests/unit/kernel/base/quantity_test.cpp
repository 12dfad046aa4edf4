#include "kernel/base/quantity.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sigrun {
namespace {

using namespace std::chrono_literals;

TEST(duration, reads_units_alone_and_combined) {
    EXPECT_EQ(parse_duration("250ms").value(), 250ms);
    EXPECT_EQ(parse_duration("1h30m").value(), 90min);
    EXPECT_EQ(parse_duration("1d").value(), 24h);
    EXPECT_EQ(parse_duration("1.5s").value(), 1500ms);
    EXPECT_EQ(parse_duration("7us").value(), 7us);
    EXPECT_EQ(parse_duration("3ns").value(), 3ns);
    EXPECT_EQ(parse_duration("0").value(), 0ns);
}

TEST(duration, refuses_what_is_not_one) {
    for (auto text : {"", "s", "5", "-5s", "+5s", "5 s", "5sec", "1h30", "inf", "nans", "1e5s", "s5", "5s "})
        EXPECT_FALSE(parse_duration(text)) << text;
    EXPECT_EQ(parse_duration("300000d").error().expected, "a duration below 292 years");
    EXPECT_FALSE(parse_duration(std::string(400, '9') + "d"));
}

TEST(duration, prints_what_it_reads_back) {
    for (nanoseconds d : {0ns, 1ns, 999ns, 250'000'000ns, 90'000'000'000ns, 5'400'000'000'000ns, 86'400'000'000'001ns})
        EXPECT_EQ(parse_duration(format_duration(d)).value(), d) << format_duration(d);
    EXPECT_EQ(format_duration(90min), "1h30m");
    EXPECT_EQ(format_duration(0ns), "0s");
}

TEST(size, reads_decimal_and_binary_units) {
    EXPECT_EQ(parse_size("0").value(), 0u);
    EXPECT_EQ(parse_size("512").value(), 512u);
    EXPECT_EQ(parse_size("64k").value(), 64'000u);
    EXPECT_EQ(parse_size("4GiB").value(), 4ull << 30);
    EXPECT_EQ(parse_size("4 Gi").value(), 4ull << 30);
    EXPECT_EQ(parse_size("1.5KiB").value(), 1536u);
    EXPECT_EQ(parse_size("10MB").value(), 10'000'000u);
    EXPECT_EQ(parse_size("1b").value(), 1u);
}

TEST(size, refuses_what_is_not_one) {
    for (auto text : {"", "k", "-1", "+1", "4X", "4GiBB", "4kk", "4 k k", "inf", "1e3"})
        EXPECT_FALSE(parse_size(text)) << text;
    EXPECT_FALSE(parse_size("9000000PiB"));
}

TEST(size, prints_for_people) {
    EXPECT_EQ(format_size(512), "512 B");
    EXPECT_EQ(format_size(24ull << 30), "24.0 GiB");
    EXPECT_EQ(format_size(~0ull), "16.0 EiB");
}

TEST(boolean, reads_the_four_pairs_and_nothing_else) {
    for (auto yes : {"yes", "true", "on", "1"}) EXPECT_TRUE(parse_bool(yes).value());
    for (auto no : {"no", "false", "off", "0"}) EXPECT_FALSE(parse_bool(no).value());
    for (auto text : {"", "Yes", "y", "2", "yes "}) EXPECT_FALSE(parse_bool(text)) << text;
}

}  // namespace
}  // namespace sigrun
