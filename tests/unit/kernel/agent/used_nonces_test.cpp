// What is remembered of signed jobs, on the disk and beside it.
#include "kernel/agent/used_nonces.hpp"

#include "scratch_dir.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

namespace {

using namespace sigrun;

constexpr std::int64_t k_hour_of_use = 3'600'000'000'000;

std::string nonce_of(int i) {
    const auto digits = std::to_string(i);
    return std::string(32 - digits.size(), '0') + digits;
}

struct nonces : testing::Test {
    agent_test::scratch_dir dir;
    manual_clock time;
    const std::string file = dir / "signed_jobs";
    const std::string a = nonce_of(1), b = nonce_of(2);

    result<void> use(used_nonces& used, const std::string& nonce, const std::string& job,
                     std::uint32_t most = 1) const {
        return used.use(nonce, job, time.wall_ns() + k_hour_of_use, most);
    }
    std::string text() const { return agent_test::read_file(file); }
    void write(const std::string& what) const { std::ofstream(file) << what; }
};

TEST_F(nonces, are_forgotten_once_they_have_expired_and_the_file_does_not_grow) {
    used_nonces used(file, time);
    for (int i = 0; i < 500; ++i) {
        ASSERT_TRUE(use(used, nonce_of(i), "job")) << i;
        time.advance(nanoseconds(k_hour_of_use));
    }
    EXPECT_LT(used.size(), 10u);
    EXPECT_LT(text().size(), 60'000u);
    ASSERT_TRUE(use(used, a, "job"));
    used_nonces later(file, time);
    EXPECT_FALSE(use(later, a, "other"));
}

TEST_F(nonces, count_for_a_minute_after_the_end_and_nothing_begins_after_it) {
    used_nonces used(file, time);
    const auto end = time.wall_ns() + k_hour_of_use;
    ASSERT_TRUE(used.use(a, "one", end, 1));
    time.advance(nanoseconds(k_hour_of_use));
    EXPECT_FALSE(used.use(a, "two", end, 1));
    EXPECT_TRUE(used.use(b, "two", end, 1));  // the very last moment
    time.advance(std::chrono::seconds(59));
    EXPECT_FALSE(used.use(nonce_of(3), "three", end, 1));
    used_nonces restarted(file, time);
    EXPECT_FALSE(restarted.use(a, "two", end + 2 * k_hour_of_use, 1));
    time.advance(std::chrono::seconds(121));
    EXPECT_FALSE(restarted.use(a, "two", end, 1));
    EXPECT_TRUE(use(restarted, nonce_of(4), "four"));
    EXPECT_EQ(restarted.size(), 1u);
}

TEST_F(nonces, an_id_of_several_lines_forges_none) {
    {
        used_nonces used(file, time);
        ASSERT_TRUE(use(used, a, "one"));
        ASSERT_TRUE(use(used, b, "x\n" + a + " 1 1 y\n"));
    }
    used_nonces used(file, time);
    EXPECT_FALSE(use(used, a, "y"));
    EXPECT_FALSE(use(used, b, "y"));
    EXPECT_EQ(used.size(), 2u);
}

TEST_F(nonces, a_line_that_a_crash_cut_off_is_of_a_job_that_never_began) {
    {
        used_nonces used(file, time);
        ASSERT_TRUE(use(used, a, "one"));
        ASSERT_TRUE(use(used, b, "one"));
    }
    write(text().substr(0, text().size() - 5));
    used_nonces used(file, time);
    EXPECT_FALSE(use(used, a, "two"));
    EXPECT_TRUE(use(used, b, "two"));
}

TEST_F(nonces, damage_refuses) {
    {
        used_nonces used(file, time);
        ASSERT_TRUE(use(used, a, "one"));
    }
    const auto good = text();
    const auto head = good.find('\n') + 1;
    const auto refused = [&](const std::string& what) {
        write(what);
        used_nonces used(file, time);
        const auto r = use(used, b, "two");
        EXPECT_TRUE(!r && r.error().code == errc::io) << what;
    };
    refused("");
    refused("x y z\n");
    refused(good.substr(head));                                         // another version
    refused(good + "\n");                                               // no line at all
    refused(good + good.substr(head, good.size() - head - 2) + "x\n");  // another checksum
    for (auto at = head; at < good.size(); ++at) {
        auto other = good;
        other[at] = other[at] == '1' ? '2' : '1';
        if (other.back() == '\n') refused(other);
    }
    write(good);
    used_nonces used(file, time);
    EXPECT_TRUE(use(used, b, "two"));
}

TEST_F(nonces, a_disk_that_cannot_be_written_refuses) {
    used_nonces nowhere(dir / "no/such/folder", time);
    EXPECT_FALSE(use(nowhere, a, "one"));
}

TEST_F(nonces, a_file_that_somebody_removes_or_changes_refuses_and_nothing_is_forgotten) {
    used_nonces used(file, time);
    ASSERT_TRUE(use(used, a, "one"));
    const auto first = text();
    for (const auto& change : std::vector<std::function<void()>>{[&] { std::filesystem::remove(file); },
                                                                 [&] { std::filesystem::resize_file(file, 30); },
                                                                 [&] {
                                                                     std::filesystem::remove(file);
                                                                     write(first);
                                                                 }}) {
        change();
        EXPECT_EQ(use(used, b, "two", 100).error().code, errc::io);
        EXPECT_FALSE(use(used, a, "two"));
        EXPECT_TRUE(use(used, b, "two", 100));
    }
    used_nonces restarted(file, time);
    EXPECT_FALSE(use(restarted, a, "two"));
}

TEST_F(nonces, are_refused_when_there_are_too_many) {
    used_nonces used("", time);
    for (std::size_t i = 0; i < used_nonces::k_most; ++i) ASSERT_TRUE(use(used, nonce_of(static_cast<int>(i)), "job"));
    const auto more = use(used, "f" + nonce_of(0).substr(1), "job");
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, errc::busy);
    EXPECT_TRUE(use(used, a, "job", 2));  // one that is known
    time.advance(nanoseconds(k_hour_of_use) + std::chrono::minutes(2));
    EXPECT_TRUE(use(used, "f" + nonce_of(0).substr(1), "job"));
}

TEST_F(nonces, of_many_threads_are_all_on_the_disk) {
    used_nonces used(file, time);
    std::atomic<int> begun{0};
    std::vector<std::thread> all;
    for (int t = 0; t < 8; ++t)
        all.emplace_back([&, t] {
            for (int i = 0; i < 100; ++i) begun += use(used, nonce_of(i), std::to_string(t)).has_value();
        });
    for (auto& each : all) each.join();
    EXPECT_EQ(begun, 100);
    used_nonces restarted(file, time);
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(use(restarted, nonce_of(i), "another")) << i;
}

}  // namespace
