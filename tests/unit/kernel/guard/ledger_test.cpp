// The ledger of crashes: what is counted, what is held, and what a wrong clock does to it.
#include "kernel/guard/crash_ledger.hpp"
#include "scratch.hpp"

namespace sigrun {
namespace {

using testing::scratch;

const std::string k_hash(64, 'a'), k_other(64, 'b');
constexpr std::int64_t k_minute = 60'000'000'000;

// What the handler writes.
std::string line(std::int64_t wall, std::int64_t up, const std::string& boot, const std::string& sha = k_hash,
                 const std::string& blame = "plugin") {
    static int pid = 100;
    std::string out = "time=" + std::to_string(wall) + " up=" + std::to_string(up) + " boot=" + boot +
                      " pid=" + std::to_string(++pid) + " signal=11 blame=" + blame;
    if (blame == "plugin") out += " plugin=test.x version=1.1.0 sha256=" + sha + " generation=3";
    return out + " how=pc at=test.x-g3.so+0x1139 end\n";
}

struct ledger : ::testing::Test {
    scratch dir;
    manual_clock time;

    void crash(const std::string& lines) { dir.append("crash", lines); }
    crash_ledger open() { return crash_ledger::open(dir.path(), time).value(); }
};

TEST_F(ledger, is_empty_at_first_and_stays_so_without_crashes) {
    EXPECT_TRUE(open().crashes().empty());
    crash("");
    EXPECT_TRUE(open().quarantined().empty());
}

TEST_F(ledger, two_crashes_are_remembered_and_the_third_one_within_ten_minutes_is_one_too_many) {
    crash(line(1 * k_minute, 1 * k_minute, "b"));
    EXPECT_EQ(open().crashes_of(k_hash), 1u);
    EXPECT_EQ(dir.content("crash"), "") << "it is in the ledger now";
    crash(line(5 * k_minute, 5 * k_minute, "b"));
    EXPECT_EQ(open().find(k_hash), nullptr);
    crash(line(9 * k_minute, 9 * k_minute, "b"));
    auto l = open();
    ASSERT_NE(l.find(k_hash), nullptr);
    EXPECT_EQ(l.find(k_hash)->reason, "3 crashes in 10 min, the last one SIGSEGV at test.x-g3.so+0x1139");
    EXPECT_EQ(l.newly_held().size(), 1u);
    EXPECT_EQ(l.totals().at("test.x"), 3u);
    auto again = open();
    EXPECT_NE(again.find(k_hash), nullptr) << "a restart lifts nothing";
    EXPECT_TRUE(again.newly_held().empty());
    EXPECT_TRUE(again.newly_crashed().empty());
}

TEST_F(ledger, crashes_that_are_further_apart_are_none_too_many) {
    for (int i = 0; i < 6; ++i) crash(line(i * 6 * k_minute, i * 6 * k_minute, "b"));
    EXPECT_EQ(open().find(k_hash), nullptr);
}

TEST_F(ledger, other_bytes_and_crashes_of_nobody_are_not_counted_together) {
    crash(line(1, 1, "b") + line(2, 2, "b", k_other) + line(3, 3, "b", "", "program") + line(4, 4, "b", "", "unknown") +
          line(5, 5, "b"));
    auto l = open();
    EXPECT_TRUE(l.quarantined().empty());
    EXPECT_EQ(l.crashes_of(k_hash), 2u);
    EXPECT_EQ(l.totals().at("program"), 1u);
    EXPECT_EQ(l.totals().at("unknown"), 1u);
}

TEST_F(ledger, within_one_boot_the_wall_clock_may_jump) {
    const std::int64_t day = 1440 * k_minute;
    crash(line(day, 1 * k_minute, "b") + line(-5 * day, 2 * k_minute, "b") + line(400 * day, 3 * k_minute, "b"));
    EXPECT_NE(open().find(k_hash), nullptr);
}

TEST_F(ledger, a_clock_that_was_set_back_between_boots_makes_no_neighbours) {
    const std::int64_t day = 1440 * k_minute;
    crash(line(10 * day, 1, "b1") + line(9 * day, 1, "b2") + line(8 * day, 1, "b3") + line(7 * day, 1, "b4"));
    EXPECT_EQ(open().find(k_hash), nullptr) << "a negative age is not a small one";
    crash(line(7 * day + k_minute, 1, "b5") + line(7 * day + 2 * k_minute, 1, "b6"));
    EXPECT_NE(open().find(k_hash), nullptr) << "what follows is counted by the clock as it is now";
}

TEST_F(ledger, admitting_lifts_it_and_forgets_so_that_the_next_crash_is_the_first) {
    crash(line(1, 1, "b") + line(2, 2, "b") + line(3, 3, "b"));
    auto l = open();
    EXPECT_EQ(l.admit("test.other").value(), 0u);
    EXPECT_EQ(l.admit("test.x").value(), 1u);
    EXPECT_EQ(l.find(k_hash), nullptr);
    crash(line(4, 4, "b"));
    auto again = open();
    EXPECT_EQ(again.find(k_hash), nullptr);
    EXPECT_EQ(again.crashes_of(k_hash), 1u);
    EXPECT_EQ(again.totals().at("test.x"), 4u) << "numbers are not forgotten";
}

TEST_F(ledger, one_crash_on_probation_is_enough) {
    EXPECT_TRUE(open().begin_probation(k_hash));
    crash(line(1, 1, "b"));
    auto l = open();
    ASSERT_NE(l.find(k_hash), nullptr);
    EXPECT_NE(l.find(k_hash)->reason.find("in its probation"), std::string::npos);
    EXPECT_TRUE(l.begin_probation(k_other));
    EXPECT_TRUE(l.end_probation(k_other));
    crash(line(2, 2, "b", k_other));
    EXPECT_EQ(open().find(k_other), nullptr);
}

TEST_F(ledger, a_line_that_was_cut_off_and_garbage_are_skipped) {
    const auto whole = line(1, 1, "b");
    crash("\n\xff\xfe garbage\n" + whole.substr(0, whole.size() / 2) + "\n" + whole + whole.substr(0, 40));
    EXPECT_EQ(open().crashes().size(), 1u);
}

TEST_F(ledger, the_same_crash_read_twice_counts_once) {
    const auto one = line(1, 1, "b");
    crash(one);
    open();
    crash(one);  // as if the program had died before the crash file was emptied
    EXPECT_EQ(open().crashes_of(k_hash), 1u);
}

TEST_F(ledger, one_that_cannot_be_read_is_put_aside_and_does_not_stop_the_program) {
    dir.write("crashes.json", "{\"version\":1,\"crashes\":[");
    crash(line(1, 1, "b"));
    EXPECT_EQ(open().crashes().size(), 1u);
    EXPECT_EQ(dir.content("crashes.json.bad"), "{\"version\":1,\"crashes\":[");
    EXPECT_EQ(open().crashes().size(), 1u);
}

TEST_F(ledger, it_stays_bounded) {
    std::string many;
    for (int i = 0; i < 1000; ++i) many += line(i * 60 * k_minute, i * 60 * k_minute, "b");
    crash(many);
    auto l = open();
    EXPECT_EQ(l.crashes().size(), 200u);
    EXPECT_EQ(l.totals().at("test.x"), 1000u);
}

}  // namespace
}  // namespace sigrun
