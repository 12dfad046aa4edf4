#include "store_fixture.hpp"

#include <sqlite3.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

using namespace sigrun;
using namespace sigrun::test;

namespace {

std::string start_error(const std::string& file, std::map<std::string, std::string> options = {}) {
    try {
        store s(file, std::move(options));
    } catch (const sdk::failure& f) {
        return f.what();
    }
    return "no error";
}

/// Somebody else's connection to the file.
struct other_program {
    sqlite3* db = nullptr;
    explicit other_program(const std::string& file) {
        if (sqlite3_open(file.c_str(), &db) != SQLITE_OK) throw std::runtime_error("cannot open " + file);
    }
    ~other_program() { sqlite3_close(db); }
    void run(const char* sql) {
        if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(db));
    }
};

#define EXPECT_TELLS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

}  // namespace

TEST(sqlite_start, missing_folder_is_named) {
    folder dir;
    auto text = start_error(dir.path + "/none/sigrun.db");
    EXPECT_TELLS(text, dir.path + "/none/sigrun.db");
    EXPECT_TELLS(text, "its folder must exist");
}

TEST(sqlite_start, a_folder_in_place_of_the_file_is_refused) {
    folder dir;
    EXPECT_TELLS(start_error(dir.path), "unable to open");
}

TEST(sqlite_start, garbage_file_is_refused_and_left_alone) {
    folder dir;
    std::string garbage(10'000, 'g');
    std::ofstream(dir.file()) << garbage;
    EXPECT_TELLS(start_error(dir.file()), "not a database");
    EXPECT_EQ(std::filesystem::file_size(dir.file()), garbage.size());
}

TEST(sqlite_start, database_of_another_program_is_refused) {
    folder dir;
    other_program(dir.file()).run("CREATE TABLE photos(name TEXT)");
    EXPECT_TELLS(start_error(dir.file()), "belongs to another program");
}

TEST(sqlite_start, newer_schema_is_refused_with_both_versions) {
    folder dir;
    { store s(dir.file()); }
    other_program(dir.file()).run("PRAGMA user_version = 7");
    auto text = start_error(dir.file());
    EXPECT_TELLS(text, "schema version 7, expected 1");
    EXPECT_TELLS(text, "newer Sigrun");
}

TEST(sqlite_start, damaged_file_is_refused_and_without_the_check_its_reads_fail) {
    folder dir;
    {
        store s(dir.file());
        auto epoch = s.take();
        for (int i = 0; i < 200; ++i) s.append(epoch, {{1, std::to_string(i), std::string(3000, 'x')}}, SIGRUN_RELAXED);
    }
    const auto pages = std::filesystem::file_size(dir.file()) / 4096;
    {
        std::fstream file(dir.file(), std::ios::in | std::ios::out | std::ios::binary);
        for (std::size_t page = 10; page < pages; ++page) {
            file.seekp(static_cast<std::streamoff>(page * 4096));
            file << std::string(64, '\xff');
        }
    }
    EXPECT_TELLS(start_error(dir.file()), "damaged");
    store unchecked(dir.file(), {{"check", "no"}});
    EXPECT_THROW(unchecked.scan(), std::runtime_error);
}

TEST(sqlite_start, locked_database_is_reported_after_the_timeout) {
    folder dir;
    { store s(dir.file()); }
    other_program other(dir.file());
    other.run("PRAGMA locking_mode = EXCLUSIVE");
    other.run("BEGIN IMMEDIATE; COMMIT");
    EXPECT_TELLS(start_error(dir.file(), {{"busy_timeout", "20ms"}}), "did not release it within 20 ms");
}

TEST(sqlite_start, read_only_file_is_refused) {
    folder dir;
    { store s(dir.file()); }
    chmod(dir.file().c_str(), 0444);
    chmod(dir.path.c_str(), 0755);
    const bool root = geteuid() == 0;
    ASSERT_EQ(root ? seteuid(65534) : 0, 0);
    auto text = start_error(dir.file());
    ASSERT_EQ(root ? seteuid(0) : 0, 0);
    EXPECT_TELLS(text, "read-only");
}

TEST(sqlite_start, new_file_is_readable_by_its_owner_only) {
    folder dir;
    store s(dir.file());
    struct stat info {};
    ASSERT_EQ(stat(dir.file().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(sqlite_start, wrong_options_are_refused_by_name) {
    folder dir;
    EXPECT_TELLS(start_error(dir.file(), {{"cache_size", "1"}}), "cache_size");
    EXPECT_TELLS(start_error(dir.file(), {{"busy_timeout", "2m"}}), "busy_timeout");
    {
        store s(dir.file());
        auto epoch = s.take();
        s.append(epoch, {{1, "a", std::string(500'000, 'x')}});
    }
    EXPECT_TELLS(start_error(dir.file(), {{"max_size", "100k"}}), "max_size");
}

TEST(sqlite_pressure, a_held_lock_blocks_nobody_and_the_queue_is_bounded) {
    folder dir;
    store s(dir.file(), {{"busy_timeout", "1m"}});
    auto epoch = s.take();
    std::vector<sigrun_op> ops;
    {
        other_program other(dir.file());
        other.run("BEGIN IMMEDIATE");
        for (int i = 0; i < 2000; ++i) {
            auto op = s.append_async(epoch, {{1, std::to_string(i), "{}"}}, SIGRUN_RELAXED);
            if (s.started < 0) break;
            ops.push_back(op);
        }
        EXPECT_EQ(s.started, SIGRUN_E_BUSY);
        EXPECT_LE(ops.size(), 1025u);
        EXPECT_FALSE(s.host.completed(ops.front()));
        other.run("COMMIT");
    }
    for (auto op : ops) EXPECT_EQ(s.host.wait(op, std::chrono::seconds(60)).result, SIGRUN_OK);
    EXPECT_EQ(s.scan(0, 5000).records.size(), ops.size());
}

TEST(sqlite_pressure, a_lock_held_too_long_is_an_error_and_heals) {
    folder dir;
    store s(dir.file(), {{"busy_timeout", "10ms"}});
    auto epoch = s.take();
    other_program other(dir.file());
    other.run("BEGIN IMMEDIATE");
    auto refused = s.append(epoch, {{1, "a", "{}"}});
    EXPECT_EQ(refused.result, SIGRUN_E_IO);
    EXPECT_TELLS(refused.text, "another process holds its lock");
    other.run("COMMIT");
    EXPECT_EQ(s.append(epoch, {{1, "a", "{}"}}).result, SIGRUN_OK);
}

namespace {

/// Appends 10 kB records until the store refuses; checks that the refusal is whole and that room heals it.
void fill_and_heal(const std::string& file, std::map<std::string, std::string> options,
                   const std::function<void()>& make_room = {}) {
    store s(file, std::move(options));
    auto epoch = s.take();
    int stored = 0;
    sdk::mock_host::outcome last;
    for (; stored < 2000; ++stored) {
        auto key = std::to_string(stored);
        last = s.append(epoch, {{1, key, std::string(5000, 'x')}, {2, key, std::string(5000, 'y')}}, SIGRUN_RELAXED);
        if (last.result) break;
    }
    ASSERT_EQ(last.result, SIGRUN_E_IO) << "it never was full";
    EXPECT_TELLS(last.text, "full");
    EXPECT_TELLS(last.text, file);
    EXPECT_EQ(s.scan(0, 5000).records.size(), static_cast<std::size_t>(stored) * 2) << "nothing of the refused batch";
    if (make_room) {
        make_room();
    } else {
        std::vector<put> gone;
        for (int i = 0; i < stored / 2; ++i) gone.push_back({1, std::to_string(i), "", SIGRUN_RECORD_DELETE});
        ASSERT_EQ(s.append(epoch, gone).result, SIGRUN_OK);
    }
    EXPECT_EQ(s.append(epoch, {{1, "after", std::string(5000, 'z')}}).result, SIGRUN_OK);
}

}  // namespace

TEST(sqlite_pressure, max_size_refuses_whole_batches_and_heals_after_a_delete) {
    folder dir;
    fill_and_heal(dir.file(), {{"max_size", "1MiB"}});
}

TEST(sqlite_pressure, full_disk_refuses_whole_batches_and_heals_with_room) {
    folder dir;
    auto disk = dir.path + "/disk";
    std::filesystem::create_directory(disk);
    if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=3m") != 0) GTEST_SKIP() << "this user may not mount a tmpfs";
    struct unmount {
        std::string path;
        ~unmount() { umount(path.c_str()); }
    } at_end{disk};
    std::ofstream(disk + "/ballast") << std::string(1'000'000, 'b');
    fill_and_heal(disk + "/sigrun.db", {}, [&] { std::filesystem::remove(disk + "/ballast"); });
}
