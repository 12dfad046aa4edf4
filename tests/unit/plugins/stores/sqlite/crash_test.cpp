#include "store_fixture.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

using namespace sigrun;
using namespace sigrun::test;

namespace {

constexpr int k_batch = 3;  // records of one append

/// Appends batch after batch and writes a byte per acknowledged one, until killed.
[[noreturn]] void append_for_ever(const std::string& file, int acknowledged, std::uint32_t durability) {
    try {
        store s(file);
        auto epoch = s.take();
        for (int batch = 0;; ++batch) {
            std::vector<put> puts;
            for (int i = 0; i < k_batch; ++i)
                puts.push_back({1, std::to_string(batch * k_batch + i), "{\"n\":" + std::to_string(i) + "}"});
            if (s.append(epoch, puts, durability).result != SIGRUN_OK || write(acknowledged, "x", 1) != 1) _exit(2);
        }
    } catch (...) {
        _exit(3);
    }
}

void kill_in_the_middle(std::uint32_t durability, int after) {
    folder dir;
    int pipe_[2];
    ASSERT_EQ(pipe(pipe_), 0);
    auto child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        close(pipe_[0]);
        append_for_ever(dir.file(), pipe_[1], durability);
    }
    close(pipe_[1]);
    int acknowledged = 0;
    char c = 0;
    while (acknowledged < after && read(pipe_[0], &c, 1) == 1) ++acknowledged;
    kill(child, SIGKILL);
    while (read(pipe_[0], &c, 1) == 1) ++acknowledged;
    close(pipe_[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself with " << WEXITSTATUS(status);
    ASSERT_GE(acknowledged, after);

    store s(dir.file());
    EXPECT_EQ(s.take(), 2u);
    std::vector<stored> all;
    for (std::uint64_t position = 0;;) {
        auto p = s.scan(position, 500);
        all.insert(all.end(), p.records.begin(), p.records.end());
        if (!(position = p.next)) break;
    }
    ASSERT_EQ(all.size() % k_batch, 0u) << "a batch is stored whole or not at all";
    const auto stored_batches = static_cast<int>(all.size()) / k_batch;
    EXPECT_GE(stored_batches, acknowledged);
    EXPECT_LE(stored_batches, acknowledged + 1) << "only the batch under way may be more";
    for (std::size_t i = 0; i < all.size(); ++i) {
        ASSERT_EQ(all[i].key, std::to_string(i));
        ASSERT_EQ(all[i].position, i + 1);
    }
}

}  // namespace

TEST(sqlite_crash, killed_in_the_middle_keeps_every_acknowledged_record) {
    for (int after : {1, 7, 60}) kill_in_the_middle(SIGRUN_FSYNC, after);
}

TEST(sqlite_crash, relaxed_records_survive_the_death_of_the_process) { kill_in_the_middle(SIGRUN_RELAXED, 200); }
