// The pure parsers of procfs, sysfs, cgroup and os-release texts.
#include "tests/fuzz/procfs_target.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace sigrun::sdk {
namespace {

TEST(cpulist, reads_numbers_and_ranges) {
    EXPECT_EQ(parse_cpulist("0-3,8,10-11\n")->text(), "0-3,8,10-11");
    EXPECT_EQ(parse_cpulist("0-3,8,10-11\n")->count(), 7u);
    EXPECT_EQ(parse_cpulist(" 5 ")->numbers(), std::vector<std::uint32_t>{5});
    EXPECT_TRUE(parse_cpulist("")->empty());
    EXPECT_TRUE(parse_cpulist("\n")->empty());
    EXPECT_EQ(parse_cpulist("65535")->count(), 1u);
    EXPECT_EQ(parse_cpulist("63-64")->text(), "63-64");
}

TEST(cpulist, refuses_everything_else) {
    for (const char* text : {"a", "1,", ",1", "1,,2", "3-1", "-1", "1-", "1-2-3", "65536", "0-65536", "0x1", "1 2",
                             "0-31:2/4", "99999999999999999999", "0-18446744073709551615"})
        EXPECT_FALSE(parse_cpulist(text)) << text;
}

TEST(cpulist, sets_intersect) { EXPECT_EQ((*parse_cpulist("0-9,100") & *parse_cpulist("8-200")).text(), "8-9,100"); }

TEST(procfs, numbers_are_whole_or_nothing) {
    EXPECT_EQ(parse_u64(" 42\n"), 42u);
    EXPECT_EQ(parse_u64("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
    for (const char* text : {"", " ", "-1", "+1", "1.5", "1 2", "0x10", "18446744073709551616"})
        EXPECT_FALSE(parse_u64(text)) << text;
    EXPECT_EQ(parse_i64("-7\n"), -7);
    EXPECT_FALSE(times(std::numeric_limits<std::uint64_t>::max(), 2));
}

TEST(procfs, meminfo_is_in_kilobytes) {
    EXPECT_EQ(meminfo_bytes("MemTotal:       24684084 kB\nMemFree: 1 kB\n", "MemTotal"), 24684084ull * 1024);
    EXPECT_FALSE(meminfo_bytes("MemTotal:       24684084\n", "MemTotal"));
    EXPECT_FALSE(meminfo_bytes("MemTotal: 18446744073709551615 kB\n", "MemTotal"));
    EXPECT_FALSE(meminfo_bytes("XMemTotal: 1 kB\n", "MemTotal"));
}

TEST(procfs, pressure_sizes_and_choices) {
    EXPECT_DOUBLE_EQ(*pressure_some_avg10("some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=99.00\n"),
                     0.125);
    EXPECT_FALSE(pressure_some_avg10("full avg10=1.00\n"));
    EXPECT_FALSE(pressure_some_avg10("some avg10=101.00\n"));
    EXPECT_FALSE(pressure_some_avg10("some avg10=nan\n"));
    EXPECT_EQ(parse_sysfs_size("48K\n"), 49152u);
    EXPECT_EQ(parse_sysfs_size("46080K"), 47185920u);
    EXPECT_FALSE(parse_sysfs_size("K"));
    EXPECT_EQ(bracketed("always [madvise] never"), "madvise");
    EXPECT_FALSE(bracketed("always madvise never"));
    EXPECT_FALSE(bracketed("[]"));
}

TEST(mountinfo, optional_fields_and_escapes) {
    const auto m = parse_mountinfo(
        "36 35 98:0 /a\\040b /mnt\\0112 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"
        "too short\n1 2 3:4 / /x rw - tmpfs tmpfs\n1 2 3:4 / /y rw tmpfs tmpfs rw\n");
    ASSERT_EQ(m.size(), 2u);
    EXPECT_EQ(m[0].root, "/a b");
    EXPECT_EQ(m[0].mount_point, "/mnt\t2");
    EXPECT_EQ(m[0].type, "ext3");
    EXPECT_TRUE(m[0].has_option("noatime"));
    EXPECT_FALSE(m[0].has_option("atime"));
    EXPECT_TRUE(m[0].has_super_option("errors=continue"));
    EXPECT_EQ(m[1].type, "tmpfs");
    EXPECT_EQ(m[1].super_options, "");
}

TEST(os_release, unquotes_like_a_shell) {
    const std::string text =
        "# comment\nNAME=\"Debian \\\"GNU\\\"\"\nID=debian\nEMPTY=\nSINGLE='a "
        "b'\nOPEN=\"x\nID_LIKE=x\nID=last\n";
    EXPECT_EQ(os_release_value(text, "NAME"), "Debian \"GNU\"");
    EXPECT_EQ(os_release_value(text, "ID"), "last");
    EXPECT_EQ(os_release_value(text, "SINGLE"), "a b");
    EXPECT_EQ(os_release_value(text, "EMPTY"), "");
    EXPECT_FALSE(os_release_value(text, "OPEN"));
    EXPECT_FALSE(os_release_value(text, "VERSION"));
}

TEST(fact_writer, any_bytes_become_valid_json) {
    std::mt19937 random(7);
    for (int i = 0; i < 2000; ++i) {
        std::string bytes(random() % 40, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        boost::system::error_code ec;
        EXPECT_TRUE(boost::json::parse(json_text(bytes), ec).is_string());
        EXPECT_FALSE(ec) << json_text(bytes);
    }
    EXPECT_EQ(boost::json::parse(json_text("h\xc3\xa9\n\"\\")).as_string(), "h\xc3\xa9\n\"\\");
    EXPECT_EQ(json_text("\xff"), "\"\\ufffd\"");
}

TEST(fact_writer, values_that_cannot_be_told_become_errors) {
    fact_writer w;
    w.ok("a.b", std::numeric_limits<double>::quiet_NaN(), {.source = "x"});
    w.ok("a.c", std::string(70'000, 'a'), {.source = "x"});
    w.ok("a.d", 2.0, {.source = "x"});
    const auto document = boost::json::parse(w.take());
    const auto& facts = document.at("facts").as_array();
    EXPECT_EQ(facts.at(0).at("status"), "error");
    EXPECT_EQ(facts.at(1).at("status"), "error");
    EXPECT_TRUE(facts.at(2).at("value").is_double());
    EXPECT_TRUE(w.empty());
}

/// Recorded files, each cut, repeated and with bytes changed at random.
TEST(procfs, hostile_texts_break_nothing) {
    std::mt19937 random(20260105);
    std::size_t files = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(SIGRUN_SOURCE_DIR "/tests/fixtures/machines")) {
        if (!entry.is_regular_file()) continue;
        ++files;
        std::ostringstream content;
        content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
        const std::string text = content.str();
        parse_everything(text);
        for (int round = 0; round < 20 && !text.empty(); ++round) {
            std::string changed = text.substr(random() % text.size());
            for (unsigned n = random() % 8; n > 0 && !changed.empty(); --n)
                changed[random() % changed.size()] = static_cast<char>(random());
            if (random() % 4 == 0) changed += changed;
            parse_everything(changed);
        }
    }
    EXPECT_GT(files, 100u);
}

}  // namespace
}  // namespace sigrun::sdk
