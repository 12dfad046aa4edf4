#include "kernel/job/log_syncer.hpp"

#include "kernel/job/log_store.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <latch>

using namespace sigrun;
using namespace std::chrono_literals;

namespace {

struct log_syncer_test : testing::Test {
    std::string dir = [] {
        std::string t = testing::TempDir() + "syncXXXXXX";
        return std::string(mkdtemp(t.data()));
    }();
    log_store store{dir, 1 << 20};
    ~log_syncer_test() override { std::filesystem::remove_all(dir); }

    std::shared_ptr<job_log> log(std::string_view text) const {
        auto made = store.open(id::make());
        made->append(0, 1, 1, text).value();
        return made;
    }
    static void wait_for(std::future<void> f) { ASSERT_EQ(f.wait_for(10s), std::future_status::ready); }
};

}  // namespace

TEST_F(log_syncer_test, what_was_appended_is_on_the_disk_when_it_says_so) {
    auto a = log("hello");
    EXPECT_FALSE(a->synced());
    EXPECT_EQ(a->synced_offset(), 0u) << "who sent it must keep it";
    std::promise<void> done;
    store.syncer().sync(a, [&] {
        EXPECT_TRUE(a->synced());
        EXPECT_EQ(a->synced_offset(), 5u);
        done.set_value();
    });
    wait_for(done.get_future());
    a->append(5, 1, 2, " again").value();
    EXPECT_FALSE(a->synced());
    EXPECT_EQ(a->synced_offset(), 5u);
    EXPECT_TRUE(a->sync());
    EXPECT_EQ(a->synced_offset(), 11u);
}

TEST_F(log_syncer_test, offsets_are_those_of_the_attempt) {
    auto a = log("first");
    a->begin_attempt();
    a->append(0, 1, 1, "second").value();
    EXPECT_EQ(a->synced_offset(), 0u);
    EXPECT_TRUE(a->sync());
    EXPECT_EQ(a->synced_offset(), 6u);
}

TEST_F(log_syncer_test, log_in_memory_has_nothing_to_wait_for) {
    auto a = store.open(id::make(), log_home::memory);
    a->append(0, 1, 1, "hello").value();
    EXPECT_TRUE(a->synced());
    EXPECT_TRUE(a->sync());
    EXPECT_EQ(a->synced_offset(), 5u);
}

TEST_F(log_syncer_test, many_at_once_are_all_answered) {
    constexpr int n = 200;  // far more than a round waits for one by one
    std::latch all(n);
    std::vector<std::shared_ptr<job_log>> logs;
    for (int i = 0; i < n; ++i) logs.push_back(log("text " + std::to_string(i)));
    for (const auto& each : logs)
        store.syncer().sync(each, [&all, each] {
            EXPECT_TRUE(each->synced());
            all.count_down();
        });
    wait_for(std::async(std::launch::async, [&all] { all.wait(); }));
}

TEST_F(log_syncer_test, only_the_newest_of_those_who_ask_for_the_newest_is_told_and_it_always_is) {
    auto a = store.open(id::make());
    std::promise<void> last;
    std::atomic<int> told{0};
    constexpr int n = 500;
    for (int i = 0; i < n; ++i) {
        a->append(static_cast<std::uint64_t>(i), 1, 1, "x").value();
        store.syncer().sync_newest(a, [&, i] {
            ++told;
            if (i + 1 < n) return;
            EXPECT_EQ(a->synced_offset(), static_cast<std::uint64_t>(n));
            last.set_value();
        });
    }
    wait_for(last.get_future());
    EXPECT_LE(told.load(), n);
}

TEST_F(log_syncer_test, disk_that_refuses_is_asked_again) {
    auto a = log("hello");
    const auto hidden = a->data_path() + ".hidden";
    std::filesystem::rename(a->data_path(), hidden);  // it cannot be opened, and so not be synced
    std::promise<void> done;
    std::atomic<bool> there{false};
    store.syncer().sync(a, [&] {
        EXPECT_TRUE(there.load());
        done.set_value();
    });
    EXPECT_FALSE(a->sync());
    EXPECT_FALSE(a->synced());
    there = true;
    std::filesystem::rename(hidden, a->data_path());
    wait_for(done.get_future());
    EXPECT_TRUE(a->synced());
}

TEST_F(log_syncer_test, stop_answers_what_waits_and_nothing_after) {
    auto a = log("hello"), b = log("too late");
    std::atomic<bool> told{false};
    store.syncer().sync(a, [&] { told = true; });
    store.syncer().stop();
    EXPECT_TRUE(told.load());
    store.syncer().sync(b, [] { ADD_FAILURE(); });
    store.syncer().sync_newest(b, [] { ADD_FAILURE(); });
    EXPECT_FALSE(b->synced());
}

TEST_F(log_syncer_test, stop_does_not_wait_for_a_disk_that_refuses) {
    auto a = log("hello");
    std::filesystem::remove(a->data_path());
    store.syncer().sync(a, [] { ADD_FAILURE(); });
    const auto began = std::chrono::steady_clock::now();
    store.syncer().stop();
    EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}
