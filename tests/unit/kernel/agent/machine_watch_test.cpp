// Whether a machine is in a state to take a job: what is read, what is judged, and when nobody can tell.
#include "kernel/agent/machine_watch.hpp"

#include "scratch_dir.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace sigrun::agent_test {
namespace {

constexpr std::int64_t k_s = 1'000'000'000;

void put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
}

TEST(machine_state, is_read_from_the_disk_and_from_proc) {
    scratch_dir root;
    put(root / "proc/meminfo", "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable:     400 kB\n");
    put(root / "proc/loadavg", "6.00 1.00 1.00 1/100 12345\n");
    const auto now = read_machine(root.path(), root.path());
    EXPECT_EQ(now.memory, 400u * 1024);
    ASSERT_TRUE(now.load);
    EXPECT_DOUBLE_EQ(*now.load, 6.0 / static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN)));
    EXPECT_GT(now.disk_free.value_or(0), 0u);
}

TEST(machine_state, memory_is_what_the_own_cgroup_leaves_without_cached_files) {
    scratch_dir root;
    put(root / "proc/meminfo", "MemAvailable: 1000000 kB\n");
    put(root / "proc/self/mountinfo", "31 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put(root / "proc/self/cgroup", "0::/a\n");
    put(root / "sys/fs/cgroup/a/memory.max", "1000000\n");
    put(root / "sys/fs/cgroup/a/memory.current", "900000\n");
    put(root / "sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 300000\n");
    EXPECT_EQ(read_machine(root.path(), root.path()).memory, 400000u);
}

TEST(machine_state, what_cannot_be_found_out_is_not_held_against_it) {
    scratch_dir root;
    const auto now = read_machine(root / "missing", root.path());
    EXPECT_FALSE(now.disk_free);
    EXPECT_FALSE(now.memory);
    EXPECT_FALSE(now.load);
    EXPECT_FALSE(what_is_missing(now, {1, 1, 1, 1}, "/w"));
}

TEST(machine_state, each_lack_is_named_with_both_numbers) {
    const machine_state has{1000, 10, 5000, 3.5};
    EXPECT_FALSE(what_is_missing(has, {1000, 10, 5000, 3.5}, "/w"));
    EXPECT_FALSE(what_is_missing(has, {}, "/w"));
    auto lack = [&](const machine_needs& needs) { return what_is_missing(has, needs, "/w").value().text(); };
    EXPECT_EQ(what_is_missing(has, {1001, 0, 0, 0}, "/w")->field, "min_free_disk");
    EXPECT_NE(lack({0, 11, 0, 0}).find("(expected at least 11 below /w, found 10)"), std::string::npos)
        << lack({0, 11, 0, 0});
    EXPECT_NE(lack({0, 0, 8192, 0}).find("(expected at least 8.0 KiB, found 4.9 KiB)"), std::string::npos);
    EXPECT_NE(lack({0, 0, 0, 3}).find("(expected at most 3.00 per processor, found 3.50)"), std::string::npos);
}

TEST(clock_watch, a_difference_counts_beyond_what_the_way_there_may_hide) {
    clock_watch c{std::chrono::seconds(5)};
    EXPECT_FALSE(c.skew());
    c.heard(100 * k_s, 102 * k_s, 96 * k_s);  // 5 s ahead, give or take one
    EXPECT_FALSE(c.skew());
    c.heard(100 * k_s, 100 * k_s + 1000, 94 * k_s);
    ASSERT_TRUE(c.skew());
    EXPECT_EQ(c.skew()->count() / k_s, 6);
    c.heard(100 * k_s, 100 * k_s, 107 * k_s);
    EXPECT_EQ(c.skew()->count() / k_s, -7);
    // Answered before it was sent, or after ages: nothing is learned from that.
    c.heard(100 * k_s, 99 * k_s, 100 * k_s);
    c.heard(100 * k_s, 120 * k_s, 110 * k_s);
    EXPECT_EQ(c.skew()->count() / k_s, -7);
    c.heard(100 * k_s, 100 * k_s, 100 * k_s);
    EXPECT_FALSE(c.skew());
}

TEST(clock_watch, a_jump_shows_at_once_in_what_was_measured_before) {
    clock_watch c{std::chrono::seconds(5)};
    c.look(1000 * k_s, 10 * k_s);
    c.heard(1000 * k_s, 1000 * k_s, 1000 * k_s);
    c.look(1001 * k_s, 11 * k_s);
    EXPECT_FALSE(c.skew());
    c.look(4602 * k_s, 12 * k_s);
    ASSERT_TRUE(c.skew());
    EXPECT_EQ(c.skew()->count() / k_s, 3600);
    c.look(1003 * k_s, 13 * k_s);  // and it was put right
    EXPECT_FALSE(c.skew());
}

TEST(clock_watch, a_jump_that_nobody_can_judge_counts_for_a_while) {
    clock_watch c{std::chrono::seconds(5)};
    c.look(1000 * k_s, 10 * k_s);
    c.look(900 * k_s, 11 * k_s);
    ASSERT_TRUE(c.jump(12 * k_s));
    EXPECT_EQ(c.jump(12 * k_s)->count() / k_s, -101);
    EXPECT_FALSE(c.jump(22 * k_s));
    c.look(1900 * k_s, 30 * k_s);
    EXPECT_TRUE(c.jump(30 * k_s));
    c.heard(1900 * k_s, 1900 * k_s, 1900 * k_s);
    EXPECT_FALSE(c.jump(30 * k_s));
}

TEST(clock_watch, without_a_limit_nothing_is_wrong) {
    clock_watch c{nanoseconds(0)};
    c.look(1000 * k_s, 10 * k_s);
    c.look(9000 * k_s, 11 * k_s);
    EXPECT_FALSE(c.jump(11 * k_s));
    c.heard(100 * k_s, 100 * k_s, 107 * k_s);
    EXPECT_FALSE(c.skew());
}

struct watched_machine {
    scratch_dir dir;
    manual_clock time;
    std::vector<std::function<void()>> posted;
    std::shared_ptr<machine_watch> watch;
    explicit watched_machine(machine_needs needs, nanoseconds skew = nanoseconds(0))
        : watch(std::make_shared<machine_watch>(needs, skew, dir.path(), time,
                                                [this](auto task) { posted.push_back(std::move(task)); })) {}
    void run_posted() {
        for (auto& task : std::exchange(posted, {})) task();
    }
};

TEST(machine_watch, offers_are_judged_by_the_last_look_and_looks_are_half_a_second_apart) {
    watched_machine m({std::uint64_t{1} << 60, 0, 0, 0});
    EXPECT_FALSE(m.watch->trouble());
    m.watch->tick();
    m.watch->tick();
    ASSERT_EQ(m.posted.size(), 1u);  // one at a time
    m.run_posted();
    ASSERT_TRUE(m.watch->trouble());
    EXPECT_EQ(m.watch->trouble()->field, "min_free_disk");
    m.watch->tick();
    EXPECT_TRUE(m.posted.empty());
    m.time.advance(std::chrono::milliseconds(500));
    m.watch->tick();
    EXPECT_EQ(m.posted.size(), 1u);
}

TEST(machine_watch, a_look_that_does_not_end_is_a_reason_by_itself) {
    watched_machine m({});
    m.watch->tick();
    m.time.advance(std::chrono::seconds(9));
    EXPECT_FALSE(m.watch->trouble());
    m.time.advance(std::chrono::seconds(2));
    ASSERT_TRUE(m.watch->trouble());
    EXPECT_NE(m.watch->trouble()->text().find("none for 11 s"), std::string::npos) << m.watch->trouble()->text();
    m.run_posted();
    EXPECT_FALSE(m.watch->trouble());
}

TEST(machine_watch, a_clock_that_differs_is_told_with_direction) {
    watched_machine m({}, std::chrono::seconds(30));
    m.watch->heard(100 * k_s, 100 * k_s, 160 * k_s);
    ASSERT_TRUE(m.watch->trouble());
    EXPECT_NE(m.watch->trouble()->text().find("(expected at most 30s, found 60 s behind)"), std::string::npos)
        << m.watch->trouble()->text();
    m.watch->heard(100 * k_s, 100 * k_s, 100 * k_s);
    EXPECT_FALSE(m.watch->trouble());
}

}  // namespace
}  // namespace sigrun::agent_test
