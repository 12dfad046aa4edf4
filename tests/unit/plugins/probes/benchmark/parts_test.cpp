// What the measurements are made of.
#include "crypto.hpp"
#include "noise.hpp"
#include "rig.hpp"
#include "statistics.hpp"
#include "work.hpp"
#include "working_memory.hpp"

#include <numeric>

namespace sigrun::benchmark {
namespace {

constexpr std::uint64_t k_mib = 1024 * 1024, k_gib = 1024 * k_mib;

TEST(benchmark_statistics, median_spread_and_percentiles) {
    EXPECT_EQ(percentile({5, 1, 3, 2, 4}, 0.5), 3);
    EXPECT_EQ(percentile({1}, 0.95), 1);
    EXPECT_EQ(percentile({}, 0.5), 0);
    std::vector<double> hundred(100);
    std::iota(hundred.begin(), hundred.end(), 1);
    EXPECT_EQ(percentile(hundred, 0.95), 95);
    EXPECT_EQ(percentile(hundred, 1), 100);
    EXPECT_EQ(variation({7, 7, 7}), 0);
    EXPECT_NEAR(variation({9, 10, 11}), 0.1, 1e-9);
    EXPECT_FALSE(summarize({1, 2})) << "of two rounds nobody can say which was disturbed";
    EXPECT_EQ(summarize({1, 2, 90})->median, 2);
}

TEST(benchmark_memory, arrays_are_four_times_the_cache_if_there_is_room) {
    const cache_size cache{32 * k_mib, 32 * k_mib};
    const memory_size much{64 * k_gib, 32 * k_gib};
    EXPECT_EQ(plan_arrays(cache, much, ~0ull).bytes, 128 * k_mib);
    EXPECT_EQ(plan_arrays(cache_size{1 * k_mib, 1 * k_mib}, much, ~0ull).bytes, 64 * k_mib) << "the least";
    const auto huge = plan_arrays(cache_size{96 * k_mib, 768 * k_mib}, much, ~0ull);
    EXPECT_EQ(huge.bytes, 512 * k_mib) << "the most";
    EXPECT_GT(huge.wanted, huge.bytes);
    EXPECT_EQ(plan_arrays(cache, {2 * k_gib, 2 * k_gib}, ~0ull).bytes, 128 * k_mib);
    EXPECT_EQ(plan_arrays(cache, {512 * k_mib, 512 * k_mib}, ~0ull).bytes, 64 * k_mib)
        << "an eighth of what may be used";
    EXPECT_EQ(plan_arrays(cache, {64 * k_gib, 300 * k_mib}, ~0ull).bytes, 50 * k_mib) << "a sixth of what is free";
    EXPECT_LT(plan_arrays(cache, much, 400 * k_mib).bytes * 3, 400 * k_mib) << "all three in what may be mapped";
    EXPECT_EQ(plan_arrays(cache, much, 64 * k_mib).bytes, 0u);
    EXPECT_EQ(plan_arrays(cache, {4 * k_mib, 4 * k_mib}, ~0ull).bytes, 0u);
    EXPECT_FALSE(plan_arrays(std::nullopt, much, ~0ull).cache_known);
}

TEST(benchmark_memory, pieces_do_not_overlap_and_lie_within) {
    const working_memory memory(8 * k_mib, 3);
    ASSERT_TRUE(memory);
    std::vector<std::pair<double*, double*>> pieces;
    for (std::size_t member = 0; member < 3; ++member)
        for (std::size_t array = 0; array < 3; ++array) {
            double* at = memory.piece(member, array);
            std::fill(at, at + memory.length(), 1.0);
            pieces.emplace_back(at, at + memory.length());
        }
    std::sort(pieces.begin(), pieces.end());
    for (std::size_t i = 1; i < pieces.size(); ++i) EXPECT_LE(pieces[i - 1].second, pieces[i].first);
    EXPECT_EQ(pieces.front().first, memory.begin());
    EXPECT_LE(reinterpret_cast<char*>(pieces.back().second) - reinterpret_cast<char*>(memory.begin()),
              static_cast<std::ptrdiff_t>(memory.bytes()));
}

TEST(benchmark_memory, the_chain_of_loads_goes_through_every_line) {
    const working_memory memory(8 * k_mib, 1);
    time_box box(milliseconds(30'000), [] { return true; });
    team one({team::k_anywhere});
    measure_latency(box, one, memory, 1 * k_mib);
    const auto* words = reinterpret_cast<const std::uint64_t*>(memory.begin());
    std::uint64_t at = 0;
    std::size_t steps = 0;
    do {
        ASSERT_LT(at, 1 * k_mib / 8);
        ASSERT_EQ(at % 8, 0u);
        at = words[at];
        ++steps;
    } while (at != 0 && steps <= 1 * k_mib / 64);
    EXPECT_EQ(steps, 1 * k_mib / 64);
}

TEST(benchmark_processors, a_quota_is_rounded_up_and_spread) {
    const std::vector<unsigned> eight{0, 1, 2, 3, 4, 5, 6, 7};
    EXPECT_EQ(chosen_processors(eight, std::nullopt), eight);
    EXPECT_EQ(chosen_processors(eight, 64.0), eight) << "more than there are";
    EXPECT_EQ(chosen_processors(eight, 0.5), (std::vector<unsigned>{0}));
    EXPECT_EQ(chosen_processors(eight, 1.5), (std::vector<unsigned>{0, 4}));
    EXPECT_EQ(chosen_processors({5}, 3.0), (std::vector<unsigned>{5}));
    EXPECT_TRUE(chosen_processors({}, 3.0).empty());
    EXPECT_EQ(numbers_in(mask_of(70)), (std::vector<unsigned>{70}));
}

TEST(benchmark_processors, caches_are_counted_once_for_all_who_share_them) {
    machines::scratch_tree tree;
    for (unsigned cpu = 0; cpu < 8; ++cpu) {
        const auto folder = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index3/";
        tree.write(folder + "level", "3\n");
        tree.write(folder + "size", cpu < 4 ? "32768K\n" : "96M\n");
        tree.write(folder + "shared_cpu_list", cpu < 4 ? "0-3\n" : "4-7\n");
    }
    const sdk::sysroot root(tree.path());
    const auto all = last_level_cache(root, {0, 1, 2, 3, 4, 5, 6, 7});
    ASSERT_TRUE(all);
    EXPECT_EQ(all->total, 128 * k_mib);
    EXPECT_EQ(all->one, 96 * k_mib);
    EXPECT_EQ(last_level_cache(root, {1})->total, 32 * k_mib);
    EXPECT_FALSE(last_level_cache(root, {9})) << "not described";
    tree.write("sys/devices/system/cpu/cpu9/cache/index3/level", "2\n");
    tree.write("sys/devices/system/cpu/cpu9/cache/index3/size", "1M\n");
    EXPECT_FALSE(last_level_cache(root, {9})) << "of another level";
}

TEST(benchmark_noise, stolen_time_is_read_from_the_first_line) {
    const auto before = parse_processor_time("cpu  100 0 100 800 0 0 0 50 7 7\ncpu0 1 2 3 4 5 6 7 8\n");
    ASSERT_TRUE(before);
    EXPECT_EQ(before->all, 1050u) << "guest time is part of user time already";
    const auto after = parse_processor_time("cpu  150 0 150 830 0 0 0 70 9 9\n");
    EXPECT_NEAR(*stolen_share(before, after), 20.0 / 150, 1e-9);
    EXPECT_FALSE(stolen_share(before, before)) << "no time passed";
    EXPECT_FALSE(stolen_share(after, before)) << "it went backwards";
    for (const char* bad : {"", "cpu", "cpu 1 2 3", "cpu a b c d e f g h", "intr 1 2 3 4 5 6 7 8"})
        EXPECT_FALSE(parse_processor_time(bad)) << bad;
}

TEST(benchmark_noise, another_thread_on_the_same_processor_is_noise) {
    const pinned_here here;
    const auto mask = own_mask();
    ASSERT_EQ(numbers_in(mask).size(), 1u);
    std::atomic<bool> stop{false};
    std::thread other([&] {  // on this processor, too: it has inherited that
        while (!stop) {
        }
    });
    time_box box(milliseconds(20'000), [] { return true; });
    const auto noise = measure_noise(box);
    stop = true;
    other.join();
    ASSERT_TRUE(noise);
    EXPECT_GT(*noise, 0.2) << "half of the time was not ours";
}

TEST(benchmark_team, all_members_work_at_once_and_end_when_the_box_closes) {
    team three({team::k_anywhere, team::k_anywhere, team::k_anywhere});
    ASSERT_TRUE(three.complete());
    time_box box(milliseconds(60'000), [] { return true; });
    std::atomic<int> met{0};
    for (int round = 0; round < 50; ++round) {
        met = 0;
        three.run(box, [&](std::size_t, const std::atomic<bool>& stop) {
            ++met;
            while (met < 3 && !stop) std::this_thread::yield();  // ends only if all are there
        });
        ASSERT_EQ(met, 3);
    }
    std::atomic<bool> wanted{true};
    time_box cancelled(milliseconds(60'000), [&] { return wanted.load(); });
    three.run(cancelled, [&](std::size_t me, const std::atomic<bool>& stop) {
        if (me == 0) wanted = false;
        while (!stop) std::this_thread::yield();
    });
    EXPECT_FALSE(cancelled.open());
    bool ran = false;
    three.run(cancelled, [&](std::size_t, const std::atomic<bool>&) { ran = true; });
    EXPECT_FALSE(ran) << "nothing begins when it is closed";
}

TEST(benchmark_crypto, both_figures_are_of_whole_messages) {
    time_box box(milliseconds(20'000), [] { return true; });
    for (auto measure_it : {measure_aes, measure_sha256}) {
        const auto result = measure_it(box);
        ASSERT_EQ(result.failure, nullptr);
        EXPECT_EQ(result.bytes_per_second.size(), k_rounds);
        for (double each : result.bytes_per_second) EXPECT_GT(each, 1e6);
    }
}

TEST(benchmark_work, is_the_same_everywhere) {
    // The amount per call belongs to the version of the suite: whoever changes it makes another one.
    integer_work integer;
    for (int i = 0; i < 10; ++i) integer();
    EXPECT_EQ(integer.checksum(), 11970163350493584444u);
    float_work floating;
    const double before = floating.energy();
    for (int i = 0; i < 10; ++i) floating();
    EXPECT_NE(floating.energy(), before);
    EXPECT_NEAR(floating.energy(), before, 0.2 * before) << "the bodies neither fly apart nor stand still";
}

}  // namespace
}  // namespace sigrun::benchmark
