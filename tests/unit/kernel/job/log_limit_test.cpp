// How much of a log is kept, what is told of the rest, and how a reader finds its place.
#include "kernel/job/log_reader.hpp"
#include "kernel/job/log_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace {

using sigrun::id;
using sigrun::job_log;
using sigrun::log_reader;
using sigrun::log_store;

struct log_limit_test : testing::Test {
    static constexpr std::uint64_t k_limit = 800;  // 400 for the beginning, four times 100 for the end
    std::string dir = [] {
        std::string t = testing::TempDir() + "limitXXXXXX";
        return std::string(mkdtemp(t.data()));
    }();
    log_store store{dir, k_limit};
    ~log_limit_test() override { std::filesystem::remove_all(dir); }

    /// Ten bytes: "line 0042\n".
    static std::string line(int n) {
        auto digits = std::to_string(n);
        return "line " + std::string(4 - digits.size(), '0') + digits + "\n";
    }
    static std::string lines(int from, int to) {
        std::string out;
        for (int i = from; i < to; ++i) out += line(i);
        return out;
    }
    static void write(job_log& log, int from, int to) {
        for (int i = from; i < to; ++i)
            ASSERT_TRUE(log.append(log.attempt_offset(), 1, static_cast<std::uint64_t>(i) * 1'000'000'000, line(i)));
    }
    static std::string read(const std::shared_ptr<job_log>& log, std::uint64_t from = 0,
                            std::uint64_t to = log_reader::k_no_end) {
        log_reader reader(log);
        std::string out;
        for (;;) {
            const auto pieces = reader.read(from, to);
            if (!pieces || pieces->empty()) return out;
            for (const auto& p : *pieces) {
                EXPECT_EQ(p.at.offset, from);
                out += p.missing ? "<" + std::to_string(p.missing) + ">" : std::string(p.content.view());
                from = p.end();
            }
        }
    }
    std::uint64_t bytes_on_disk() const {
        std::uint64_t sum = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(dir))
            if (entry.path().extension() == ".log") sum += entry.file_size();
        return sum;
    }
};

TEST_F(log_limit_test, up_to_the_limit_nothing_is_lost) {
    auto log = store.open(id::make());
    write(*log, 0, 80);
    EXPECT_EQ(read(log), lines(0, 80));
    EXPECT_TRUE(log->gaps().empty());
}

TEST_F(log_limit_test, beyond_it_the_beginning_and_the_end_are_kept_and_the_gap_is_told) {
    auto log = store.open(id::make());
    write(*log, 0, 305);
    EXPECT_EQ(log->size(), 3050u);
    EXPECT_EQ(log->attempt_offset(), 3050u) << "what is given up was still taken";
    const auto gaps = log->gaps();
    ASSERT_EQ(gaps.size(), 1u);
    EXPECT_EQ(gaps[0].offset, 400u);
    EXPECT_EQ(gaps[0].bytes, 2300u);
    EXPECT_EQ(read(log), lines(0, 40) + "<2300>" + lines(270, 305));
    EXPECT_LE(bytes_on_disk(), k_limit);
    EXPECT_EQ(read(log, 3000), lines(300, 305)) << "an offset means the same as ever";
    EXPECT_EQ(read(log, 1000), "<1700>" + lines(270, 305)) << "also one in the gap";
    EXPECT_EQ(read(log, 390, 410), lines(39, 40) + "<10>");
}

TEST_F(log_limit_test, a_piece_is_cut_where_the_end_begins_and_none_of_it_is_lost) {
    auto log = store.open(id::make());
    const std::string large(650, 'x');
    EXPECT_EQ(log->append(0, 1, 0, large).value(), 650u);
    EXPECT_EQ(read(log), large);
}

TEST_F(log_limit_test, each_attempt_has_the_limit_to_itself) {
    auto log = store.open(id::make());
    write(*log, 0, 200);
    log->begin_attempt();
    EXPECT_EQ(log->attempt_offset(), 0u);
    write(*log, 0, 60);
    log->begin_attempt();
    write(*log, 0, 100);
    EXPECT_EQ(read(log),
              lines(0, 40) + "<1200>" + lines(160, 200) + lines(0, 60) + lines(0, 40) + "<200>" + lines(60, 100));
    EXPECT_EQ(log->size(), 3600u);
    EXPECT_EQ(read(log, 2000, 2600), lines(0, 60)) << "the second attempt alone";
}

TEST_F(log_limit_test, attempts_that_print_little_share_two_files) {
    auto log = store.open(id::make());
    for (int i = 0; i < 5; ++i) {
        log->begin_attempt();
        write(*log, 0, 3);
    }
    EXPECT_EQ(log->parts().size(), 1u);
    EXPECT_EQ(read(log), lines(0, 3) + lines(0, 3) + lines(0, 3) + lines(0, 3) + lines(0, 3));
}

TEST_F(log_limit_test, a_restart_forgets_neither_the_gap_nor_the_bounds) {
    auto uid = id::make();
    {
        auto log = store.open(uid);
        write(*log, 0, 10);
        log->begin_attempt();
        write(*log, 0, 200);
    }
    log_store later(dir, k_limit);
    auto log = later.open(uid);
    log->resume_attempt(100);
    EXPECT_EQ(log->attempt_offset(), 2000u);
    write(*log, 200, 300);
    EXPECT_EQ(read(log), lines(0, 10) + lines(0, 40) + "<2200>" + lines(260, 300));
    EXPECT_LE(bytes_on_disk(), k_limit + 100);
    log->erase();
    EXPECT_EQ(bytes_on_disk(), 0u);
    EXPECT_EQ(later.open(uid)->size(), 0u);
}

TEST_F(log_limit_test, a_slow_reader_reads_what_it_has_begun_also_when_that_is_given_up) {
    auto log = store.open(id::make());
    write(*log, 0, 60);
    log_reader reader(log);
    EXPECT_EQ(reader.read(500, 510).value().at(0).content.view(), line(50)) << "it has this part now";
    write(*log, 60, 200);
    EXPECT_EQ(reader.read(510, 520).value().at(0).content.view(), line(51));
    EXPECT_EQ(reader.read(600).value().at(0).missing, 1000u) << "the next one is gone";
}

TEST_F(log_limit_test, a_job_that_writes_byte_by_byte_does_not_fill_the_disk_with_entries) {
    log_store large(dir, 64 * 1024);
    auto log = large.open(id::make());
    for (std::uint64_t i = 0; i < 100'000; ++i) ASSERT_TRUE(log->append(i, 1 + i % 2, i, "x"));
    std::uint64_t all = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir))
        if (entry.is_regular_file()) all += entry.file_size();
    EXPECT_LE(all, 2 * 64 * 1024u);
    EXPECT_GT(log->gaps().at(0).bytes, 0u);
    EXPECT_EQ(log->size(), 100'000u);
}

TEST_F(log_limit_test, the_disk_is_waited_for_in_all_parts) {
    auto log = store.open(id::make());
    write(*log, 0, 200);
    EXPECT_EQ(log->synced_offset(), 0u);
    ASSERT_TRUE(log->sync());
    EXPECT_EQ(log->synced_offset(), 2000u);
    write(*log, 200, 260);
    EXPECT_EQ(log->synced_offset(), 2200u) << "parts of before are given up, the first that is not there begins here";
    EXPECT_FALSE(log->synced());
    log->note_synced(log->size());
    EXPECT_TRUE(log->synced());
}

TEST_F(log_limit_test, a_time_is_found_in_every_part) {
    auto log = store.open(id::make());
    write(*log, 0, 300);  // one line each second
    log_reader reader(log);
    const std::uint64_t second = 1'000'000'000;
    EXPECT_EQ(reader.first_since(0).value(), 0u);
    EXPECT_EQ(reader.first_since(17 * second).value(), 170u);
    EXPECT_EQ(reader.first_since(17 * second - 1).value(), 170u);
    EXPECT_EQ(reader.first_since(100 * second).value(), 2600u) << "given up: the next that is kept";
    EXPECT_EQ(reader.first_since(295 * second).value(), 2950u);
    EXPECT_EQ(reader.first_since(300 * second).value(), 3000u) << "the end";
}

TEST_F(log_limit_test, the_last_lines_are_found_backwards_over_parts_and_gaps) {
    auto log = store.open(id::make());
    write(*log, 0, 300);
    log_reader reader(log);
    EXPECT_EQ(reader.last_lines(0, 0, 3000).value(), 3000u);
    EXPECT_EQ(reader.last_lines(1, 0, 3000).value(), 2990u);
    EXPECT_EQ(reader.last_lines(25, 0, 3000).value(), 2750u);
    EXPECT_EQ(reader.last_lines(41, 0, 3000).value(), 390u) << "the one before the gap";
    EXPECT_EQ(reader.last_lines(1000, 0, 3000).value(), 0u);
    EXPECT_EQ(reader.last_lines(1000, 2900, 3000).value(), 2900u);
    EXPECT_EQ(reader.last_lines(2, 0, 300).value(), 280u);
    ASSERT_TRUE(log->append(3000, 1, 0, "not ended"));
    EXPECT_EQ(reader.last_lines(1, 0, 3009).value(), 3000u);
}

TEST_F(log_limit_test, a_log_in_memory_is_searched_as_well) {
    log_store large(dir, 1 << 20);
    auto log = large.open(id::make(), sigrun::log_home::memory);
    write(*log, 0, 5);
    log_reader reader(log);
    EXPECT_EQ(reader.first_since(3'000'000'000).value(), 30u);
    EXPECT_EQ(reader.last_lines(2, 0, 50).value(), 30u);
    EXPECT_EQ(read(log, 30), lines(3, 5));
}

}  // namespace
