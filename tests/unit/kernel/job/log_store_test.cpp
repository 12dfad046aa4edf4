#include "kernel/job/log_store.hpp"

#include "kernel/job/log_reader.hpp"

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

namespace {

using sigrun::id;
using sigrun::log_reader;
using sigrun::log_store;

struct job_log_test : testing::Test {
    std::string dir = [] {
        std::string t = testing::TempDir() + "logsXXXXXX";
        return std::string(mkdtemp(t.data()));
    }();
    ~job_log_test() override { std::filesystem::remove_all(dir); }
    static std::string all(const std::shared_ptr<sigrun::job_log>& log, std::uint64_t from = 0) {
        log_reader reader(log);
        std::string out;
        for (;;) {
            auto pieces = reader.read(from);
            if (!pieces || pieces->empty()) return out;
            for (const auto& p : *pieces) {
                EXPECT_EQ(p.at.offset, from);
                out += p.missing ? "<" + std::to_string(p.missing) + " missing>" : std::string(p.content.view());
                from = p.end();
            }
        }
    }
};

TEST_F(job_log_test, bytes_come_back_with_stream_and_time) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    EXPECT_EQ(log->append(0, 1, 11, "out").value(), 3u);
    EXPECT_EQ(log->append(3, 2, 12, "err").value(), 6u);
    auto pieces = log_reader(log).read(0).value();
    ASSERT_EQ(pieces.size(), 2u);
    EXPECT_EQ(pieces[1].at.stream, 2u);
    EXPECT_EQ(pieces[1].at.time_ns, 12u);
    EXPECT_EQ(all(log, 2), "terr");
}

TEST_F(job_log_test, a_reader_follows_what_is_appended_and_outlives_the_end) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    ASSERT_TRUE(log->append(0, 1, 0, "first."));
    log_reader reader(log);
    EXPECT_EQ(reader.read(0).value().at(0).content.view(), "first.");
    EXPECT_TRUE(reader.read(6).value().empty());
    ASSERT_TRUE(log->append(6, 1, 0, "second"));
    log->finish();
    EXPECT_EQ(reader.read(8).value().at(0).content.view(), "cond");
}

TEST_F(job_log_test, a_small_log_in_memory_makes_no_file_and_is_there_after_its_end) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make(), sigrun::log_home::memory);
    EXPECT_EQ(log->append(0, 1, 11, "out").value(), 3u);
    EXPECT_EQ(log->append(3, 2, 12, "err").value(), 6u);
    log->finish();
    EXPECT_EQ(all(log), "outerr");
    EXPECT_EQ(all(log, 2), "terr");
    EXPECT_EQ(log_reader(log).read(0).value().at(1).at.time_ns, 12u);
    EXPECT_TRUE(std::filesystem::is_empty(dir));
}

TEST_F(job_log_test, a_log_in_memory_that_grows_goes_on_in_files) {
    log_store store(dir, 1 << 20);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, std::size_t{5000}}) {
        auto log = store.open(id::make(), sigrun::log_home::memory);
        log_reader reader(log);
        std::string wanted;
        for (std::size_t i = 0; i < 100; ++i) {
            const std::string bytes(piece, static_cast<char>('a' + i % 26));
            EXPECT_EQ(log->append(wanted.size(), 1, 0, bytes).value(), wanted.size() + piece);
            const auto seen = reader.read(wanted.size()).value();
            ASSERT_EQ(seen.size(), 1u);
            EXPECT_EQ(seen[0].content.view(), bytes);
            wanted += bytes;
        }
        const auto data = log->parts().at(0).path + ".log";
        EXPECT_TRUE(std::filesystem::exists(data));
        log->finish();
        EXPECT_EQ(all(log), wanted);
        log->erase();
        EXPECT_FALSE(std::filesystem::exists(data));
    }
}

TEST_F(job_log_test, a_batch_is_bounded_in_bytes_and_in_pieces) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    const std::string large(40'000, 'x');
    for (std::uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(log->append(i * large.size(), 1, 0, large));
    for (std::uint64_t i = 0; i < 300; ++i) ASSERT_TRUE(log->append(4 * large.size() + i, 1 + i % 2, 0, "y"));
    EXPECT_EQ(log_reader(log).read(0).value().size(), 2u);
    EXPECT_EQ(log_reader(log).read(4 * large.size()).value().size(), 256u);
    EXPECT_EQ(all(log).size(), 4 * large.size() + 300);
}

TEST_F(job_log_test, a_file_that_is_shorter_than_its_index_is_an_error_that_names_it) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    ASSERT_TRUE(log->append(0, 1, 0, "gone"));
    const auto data = log->parts().at(0).path + ".log";
    std::filesystem::resize_file(data, 1);
    auto read = log_reader(log).read(0);
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().text().find(data), std::string::npos);
}

TEST_F(job_log_test, bytes_sent_again_after_a_lost_acknowledgement_are_stored_once) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    ASSERT_TRUE(log->append(0, 1, 0, "abcdef"));
    EXPECT_EQ(log->append(0, 1, 0, "abcdef").value(), 6u);
    EXPECT_EQ(log->append(4, 1, 0, "efgh").value(), 8u);
    EXPECT_EQ(all(log), "abcdefgh");
}

TEST_F(job_log_test, a_gap_is_refused_with_the_offset_that_is_expected) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    ASSERT_TRUE(log->append(0, 1, 0, "abc"));
    auto r = log->append(5, 1, 0, "x");
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().text().find("up to 3"), std::string::npos);
}

TEST_F(job_log_test, a_new_attempt_counts_from_zero_and_keeps_what_was_there) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    ASSERT_TRUE(log->append(0, 1, 0, "first."));
    log->begin_attempt();
    EXPECT_EQ(log->attempt_offset(), 0u);
    EXPECT_EQ(log->append(0, 1, 0, "second").value(), 6u);
    EXPECT_EQ(all(log), "first.second");
}

TEST_F(job_log_test, who_was_overtaken_writes_no_more) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    const auto turn = log->turn();
    ASSERT_EQ(log->append(turn, 0, 1, 0, "first.").value(), 6u);
    log->begin_attempt();
    auto late = log->append(turn, 6, 1, 0, "late");
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, sigrun::errc::cancelled);
    EXPECT_EQ(log->append(log->turn(), 0, 1, 0, "second").value(), 6u);
    EXPECT_EQ(all(log), "first.second");
}

TEST_F(job_log_test, a_log_of_one_attempt_goes_into_that_of_the_job_with_its_streams_times_and_gaps) {
    log_store store(dir, 4096);
    for (const auto home : {sigrun::log_home::files, sigrun::log_home::memory}) {
        const auto uid = id::make();
        auto log = store.open(uid, home), own = store.open(uid, 2, home);
        ASSERT_TRUE(log->append(0, 1, 7, "first."));
        ASSERT_TRUE(own->append(0, 1, 20'000'000, "out"));
        ASSERT_TRUE(own->append(3, 2, 90'000'000, "err"));
        const auto begin = log->begin_attempt_with(own);
        ASSERT_TRUE(begin);
        EXPECT_EQ(*begin, 6u);
        EXPECT_EQ(log->attempt_offset(), 6u);
        EXPECT_EQ(all(log), "first.outerr");
        const auto pieces = log_reader(log).read(6).value();
        ASSERT_EQ(pieces.size(), 2u);
        EXPECT_EQ(pieces[1].at.stream, 2u);
        EXPECT_EQ(pieces[1].at.time_ns, 90'000'000u);
        // It goes on where the other ended.
        EXPECT_EQ(log->append(6, 1, 0, "!").value(), 7u);
    }
    auto log = store.open(id::make()), own = store.open(id::make(), 2);
    for (std::uint64_t at = 0; at < 20'000; at += 1000) ASSERT_TRUE(own->append(at, 1, at, std::string(1000, 'x')));
    ASSERT_FALSE(own->gaps().empty());
    ASSERT_TRUE(log->begin_attempt_with(own));
    EXPECT_EQ(log->size(), own->size());
    EXPECT_FALSE(log->gaps().empty());
    EXPECT_EQ(all(log).substr(0, 2000), std::string(2000, 'x'));
}

TEST_F(job_log_test, logs_of_attempts_are_known_by_their_job) {
    log_store store(dir, 1 << 20);
    const auto known = id::make(), unknown = id::make();
    for (const auto& uid : {known, unknown}) {
        ASSERT_TRUE(store.open(uid, 3)->append(0, 1, 0, "x"));
        ASSERT_TRUE(store.open(uid)->append(0, 1, 0, "x"));
    }
    EXPECT_EQ(store.remove_unknown([&](const id& uid) { return uid == known; }), 2u);
    EXPECT_EQ(all(store.open(known, 3)), "x");
    EXPECT_EQ(all(store.open(unknown, 3)), "");
}

TEST_F(job_log_test, a_later_process_reads_what_an_earlier_one_stored) {
    auto uid = id::make();
    {
        log_store store(dir, 1 << 20);
        auto log = store.open(uid);
        ASSERT_TRUE(log->append(0, 1, 7, "kept"));
        log->finish();
    }
    log_store store(dir, 1 << 20);
    auto log = store.open(uid);
    EXPECT_EQ(log->size(), 4u);
    EXPECT_EQ(all(log), "kept");
    log->resume_attempt(0);
    EXPECT_EQ(log->append(2, 1, 8, "pt on").value(), 7u);
    EXPECT_EQ(all(log), "kept on");
    log->erase();
    EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(dir) / uid.text().substr(34, 2)));
}

TEST_F(job_log_test, followers_hear_of_every_append_until_they_let_go) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    int heard = 0;
    auto handle = log->follow([&] { ++heard; });
    ASSERT_TRUE(log->append(0, 1, 0, "a"));
    ASSERT_TRUE(log->append(1, 1, 0, "b"));
    EXPECT_EQ(heard, 2);
    handle.reset();
    ASSERT_TRUE(log->append(2, 1, 0, "c"));
    EXPECT_EQ(heard, 2);
}

TEST_F(job_log_test, an_unwritable_folder_is_a_problem_with_the_path) {
    log_store store("/proc/nowhere", 1 << 20);
    auto log = store.open(id::make());
    auto r = log->append(0, 1, 0, "x");
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().text().find("/proc/nowhere"), std::string::npos);
}

// The kernel refuses to let a file grow beyond the limit: a write is cut short, the next one fails, as on a full disk.
class file_size_limit {
public:
    explicit file_size_limit(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &before_);
        rlimit now{bytes, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &now);
    }
    ~file_size_limit() {
        setrlimit(RLIMIT_FSIZE, &before_);
        signal(SIGXFSZ, handler_);
    }

private:
    rlimit before_{};
    sighandler_t handler_;
};

TEST_F(job_log_test, a_full_disk_stores_nothing_of_an_append_and_the_next_one_continues) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    ASSERT_TRUE(log->append(0, 1, 0, "stored"));
    {
        file_size_limit full(30);  // the index has one entry of 24 bytes
        EXPECT_FALSE(log->append(6, 1, 0, std::string(40, 'x')));
        EXPECT_FALSE(log->append(6, 2, 0, "y")) << "its entry in the index has no room";
        EXPECT_EQ(log->attempt_offset(), 6u);
    }
    EXPECT_EQ(log->append(6, 1, 0, " and more").value(), 15u);
    EXPECT_EQ(all(log), "stored and more");
    EXPECT_EQ(all(store.open(id::make())), "");
}

TEST_F(job_log_test, a_torn_end_of_a_crash_is_written_over) {
    auto uid = id::make();
    std::string path = dir + "/" + uid.text().substr(34, 2) + "/" + uid.text();
    {
        log_store store(dir, 1 << 20);
        auto log = store.open(uid);
        ASSERT_TRUE(log->append(0, 1, 0, "kept"));
    }
    std::ofstream(path + ".log", std::ios::app) << "bytes without an entry";
    std::ofstream(path + ".idx", std::ios::app) << "half";
    log_store store(dir, 1 << 20);
    auto log = store.open(uid);
    log->resume_attempt(0);
    EXPECT_EQ(log->attempt_offset(), 4u);
    EXPECT_EQ(log->append(4, 1, 0, " on").value(), 7u);
    EXPECT_EQ(all(store.open(uid)), "kept on");
}

TEST_F(job_log_test, what_a_crash_took_of_a_resumed_attempt_is_a_gap) {
    auto uid = id::make();
    ASSERT_TRUE(log_store(dir, 1 << 20).open(uid)->append(0, 1, 0, "0123"));
    log_store store(dir, 1 << 20);
    auto log = store.open(uid);
    log->resume_attempt(0);
    EXPECT_EQ(log->append(10, 1, 0, "ab").value(), 12u);
    EXPECT_EQ(all(log), "0123<6 missing>ab");
    EXPECT_EQ(all(store.open(uid)), "0123<6 missing>ab") << "also in the next life";
    log->erase();
    EXPECT_EQ(all(store.open(uid)), "");
}

TEST_F(job_log_test, pieces_of_one_stream_that_come_together_share_an_entry) {
    log_store store(dir, 1 << 20);
    auto log = store.open(id::make());
    const std::uint64_t ms = 1'000'000;
    for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_TRUE(log->append(i, 1, 5 * ms, "x"));
    ASSERT_TRUE(log->append(1000, 2, 5 * ms, "e"));
    ASSERT_TRUE(log->append(1001, 2, 20 * ms, "later"));
    log->begin_attempt();
    ASSERT_TRUE(log->append(0, 2, 20 * ms, "again"));
    EXPECT_EQ(log->parts().at(0).entries, 4u);
    const auto pieces = log_reader(log).read(0).value();
    ASSERT_EQ(pieces.size(), 4u);
    EXPECT_EQ(pieces[0].content.view().size(), 1000u);
    EXPECT_EQ(pieces[2].at.time_ns, 20 * ms);
}

TEST_F(job_log_test, logs_of_unknown_jobs_are_removed) {
    log_store store(dir, 1 << 20);
    auto known = id::make(), unknown = id::make();
    for (const auto& uid : {known, unknown}) ASSERT_TRUE(store.open(uid)->append(0, 1, 0, "x"));
    std::filesystem::create_directory(dir + "/" + unknown.text().substr(34, 2) + "/" + unknown.text() + ".parts");
    EXPECT_EQ(store.remove_unknown([&](const id& uid) { return uid == known; }), 1u);
    EXPECT_EQ(all(store.open(known)), "x");
    EXPECT_EQ(all(store.open(unknown)), "");
    EXPECT_TRUE(std::filesystem::is_empty(dir + "/" + unknown.text().substr(34, 2)));
}

}  // namespace
