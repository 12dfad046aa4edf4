#include "store_fixture.hpp"

#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

using namespace sigrun;
using namespace sigrun::test;

namespace {

sdk::mock_host::outcome copy_of(store& s, const std::string& target) {
    auto op = s.host.mint();
    if (auto r = s.table()->copy(s.instance(), sdk::str(target), op); r < 0) {
        s.host.forget(op);
        return {r, "refused at once"};
    }
    return s.host.wait(op, std::chrono::seconds(60));
}

std::size_t files_in(const folder& dir) {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(dir.path)) ++n;
    return n;
}

}  // namespace

TEST(sqlite_copy, is_a_store_of_its_own_with_everything_that_was_stored_by_then) {
    folder dir, elsewhere;
    const auto target = elsewhere.path + "/copy.db";
    store s(dir.file());
    const auto epoch = s.take();
    ASSERT_EQ(s.append(epoch, {{1, "a", "{\"n\":1}"}, {2, "b", "{}"}}).result, SIGRUN_OK);
    const auto done = copy_of(s, target);
    ASSERT_EQ(done.result, SIGRUN_OK) << done.text;
    EXPECT_EQ(store::number(done.text), std::filesystem::file_size(target)) << done.text;
    EXPECT_EQ(files_in(elsewhere), 1u) << "nothing is left beside it";
    struct stat about {};
    ASSERT_EQ(stat(target.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
    ASSERT_EQ(s.append(epoch, {{1, "later", "{}"}}).result, SIGRUN_OK);

    store copy(target);
    EXPECT_GT(copy.take(), epoch) << "who writes to the copy writes to no other";
    ASSERT_EQ(copy.scan().records.size(), 2u);
    EXPECT_EQ(copy.scan().records[0].body, "{\"n\":1}");
    EXPECT_EQ(s.append(epoch, {{1, "still", "{}"}}).result, SIGRUN_OK) << "the copy fences nobody";
}

TEST(sqlite_copy, nothing_is_overwritten_and_a_failure_leaves_nothing_behind) {
    folder dir;
    store s(dir.file());
    s.take();
    const auto there = dir.path + "/there";
    std::ofstream(there) << "mine";
    const auto refused = copy_of(s, there);
    EXPECT_EQ(refused.result, SIGRUN_E_EXISTS) << refused.text;
    EXPECT_NE(refused.text.find("it must be a new file"), std::string::npos) << refused.text;
    EXPECT_EQ(std::filesystem::file_size(there), 4u);
    const auto nowhere = copy_of(s, dir.path + "/none/copy.db");
    EXPECT_EQ(nowhere.result, SIGRUN_E_IO) << nowhere.text;
    EXPECT_NE(nowhere.text.find(dir.path + "/none/copy.db"), std::string::npos) << nowhere.text;
    EXPECT_FALSE(std::filesystem::exists(there + ".part"));
}

TEST(sqlite_copy, appends_go_on_meanwhile_and_the_copy_is_of_one_moment) {
    folder dir;
    store s(dir.file());
    const auto epoch = s.take();
    const std::string large(200'000, 'x');
    for (int i = 0; i < 200; ++i) s.append(epoch, {{1, "old" + std::to_string(i), large}}, SIGRUN_RELAXED);
    // Both records of an append, or none: that is what one moment means.
    std::atomic<bool> over{false};
    std::atomic<int> written{0};
    std::thread writer([&] {
        for (int i = 0; !over; ++i) {
            const auto n = std::to_string(i);
            if (s.append(epoch, {{1, "left" + n, "{}"}, {1, "right" + n, "{}"}}, SIGRUN_RELAXED).result == SIGRUN_OK)
                written = i + 1;
        }
    });
    while (written < 10) std::this_thread::yield();
    const auto before = written.load();
    const auto done = copy_of(s, dir.path + "/copy.db");
    const auto after = written.load();
    over = true;
    writer.join();
    ASSERT_EQ(done.result, SIGRUN_OK) << done.text;
    EXPECT_GT(after, before) << "the writer stood still";
    store copy(dir.path + "/copy.db");
    int left = 0, right = 0, old = 0;
    std::uint64_t position = 0;
    do {
        auto p = copy.scan(position, 1000);
        for (const auto& r : p.records) {
            left += r.key.rfind("left", 0) == 0;
            right += r.key.rfind("right", 0) == 0;
            old += r.key.rfind("old", 0) == 0;
        }
        position = p.next;
    } while (position);
    EXPECT_EQ(old, 200);
    EXPECT_EQ(left, right);
    EXPECT_GE(left, before);
}

TEST(sqlite_copy, one_at_a_time_with_progress_and_given_up_when_the_store_ends) {
    folder dir;
    sigrun_op first{};
    {
        store s(dir.file());
        const auto epoch = s.take();
        const std::string large(1'000'000, 'x');
        for (int i = 0; i < 100; ++i) s.append(epoch, {{1, std::to_string(i), large}}, SIGRUN_RELAXED);
        std::uint64_t done = 1, total = 1;
        s.table()->copy_progress(s.instance(), &done, &total);
        EXPECT_EQ(total, 0u);
        first = s.host.mint();
        ASSERT_EQ(s.table()->copy(s.instance(), sdk::str(dir.path + "/first.db"), first), SIGRUN_PENDING);
        EXPECT_EQ(copy_of(s, dir.path + "/second.db").result, SIGRUN_E_BUSY);
        while (!total) s.table()->copy_progress(s.instance(), &done, &total);
        EXPECT_LE(done, total);
        s.host.destroy(s.instance());
        const auto how = s.host.wait(first, std::chrono::seconds(60));
        // On a very fast disk it may have been done.
        EXPECT_TRUE(how.result == SIGRUN_OK || how.result == SIGRUN_E_CANCELLED) << how.text;
        EXPECT_EQ(std::filesystem::exists(dir.path + "/first.db"), how.result == SIGRUN_OK);
    }
    EXPECT_FALSE(std::filesystem::exists(dir.path + "/first.db.part"));
}
