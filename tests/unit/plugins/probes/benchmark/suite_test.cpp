// The suite as a whole, on this machine: what it promises whatever the machine does meanwhile.
#include "rig.hpp"

#include <chrono>

namespace sigrun::benchmark {
namespace {

TEST(benchmark_suite, mission_D14_says_of_each_figure_what_it_is_or_why_not_and_always_how_quiet_it_was) {
    machines::scratch_tree folder;
    const auto facts = measured(folder.path());
    for (const char* key : k_figures) {
        ASSERT_TRUE(facts.contains(key)) << key;
        const auto& f = facts.at(key);
        if (f.at("status") == "ok") {
            EXPECT_GT(f.at("value").to_number<double>(), 0) << f;
            EXPECT_TRUE(f.at("method") == "measured" || f.at("method") == "derived") << f;
            EXPECT_GT(f.at("ttl_s").to_number<int>(), 0) << f;
        } else {
            EXPECT_FALSE(f.at("detail").as_string().empty()) << f;
        }
    }
    EXPECT_EQ(machines::value_of(facts, "perf.budget_ms"), boost::json::value(3000));
    EXPECT_EQ(machines::status_of(facts, "perf.suite"), "ok");
    const double noise = machines::value_of(facts, "perf.noise_ratio").to_number<double>();
    const double steal = machines::value_of(facts, "perf.steal_ratio").to_number<double>();
    EXPECT_TRUE(noise >= 0 && noise <= 1) << noise;
    EXPECT_TRUE(steal >= 0 && steal <= 1) << steal;
    // What was measured on a machine that is not quiet is not sold for more.
    for (const char* key : k_figures)
        if (facts.at(key).at("status") == "ok" && noise > 0.1) {
            EXPECT_LT(facts.at(key).at("confidence").to_number<int>(), 50) << key;
            EXPECT_LT(facts.at(key).at("ttl_s").to_number<int>(), 3600) << key;
            EXPECT_NE(std::string(facts.at(key).at("detail").as_string()).find("disturbed"), std::string::npos) << key;
        }
}

TEST(benchmark_suite, mission_D14_what_exceeds_its_limit_is_a_timeout_and_the_rest_goes_on) {
    machines::scratch_tree folder;
    limits within;
    within.gauge = within.integer = within.bandwidth = within.disk = within.sync = milliseconds(0);
    const auto facts = measured(folder.path(), within);
    for (const char* key : {"perf.noise_ratio", "perf.single_int", "perf.mem_copy_bps", "perf.mem_triad_bps",
                            "perf.disk_seq_write_bps", "perf.disk_rand_iops", "perf.fsync_p50_us", "perf.fsync_p95_us"})
        EXPECT_EQ(machines::status_of(facts, key), "timeout") << key;
    // These have their usual time, which even a busy machine gives some of.
    EXPECT_NE(machines::status_of(facts, "perf.spawn_us"), "missing");
    EXPECT_NE(machines::status_of(facts, "perf.single_fp"), "missing");
    EXPECT_EQ(machines::status_of(facts, "perf.steal_ratio"), "ok");
    for (const auto& [key, f] : facts)
        if (key != "perf.suite" && key != "perf.budget_ms" && f.at("status") == "ok" && key != "perf.steal_ratio") {
            EXPECT_LT(f.at("confidence").to_number<int>(), 50) << "nobody knows how quiet it was: " << f;
        }
}

TEST(benchmark_suite, mission_D14_measures_nothing_more_once_it_is_cancelled_wherever_it_is) {
    machines::scratch_tree folder;
    for (std::size_t frames : {1u, 2u, 5u, 8u, 10u}) {
        last_word sink;
        std::atomic<sigrun_op> cancelled{0};
        std::size_t seen = 0;
        machines::fact_map until_then;
        sink.told = [&] {
            if (++seen != frames) return;
            cancelled = 7;
            until_then = sink.facts;
        };
        const sdk::sysroot root("");
        sdk::probe_run run("perf.*", &sink.abi, &cancelled, 7, 0);
        const auto begin = std::chrono::steady_clock::now();
        measure(root, folder.path(), {}, run);
        run.finish();
        ASSERT_EQ(cancelled, 7u) << "it has sent fewer than " << frames << " frames";
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30)) << frames;
        EXPECT_EQ(machines::status_of(sink.facts, "perf.*"), "timeout") << frames;
        for (const char* key : k_figures) EXPECT_EQ(sink.facts.contains(key), until_then.contains(key)) << key;
    }
}

TEST(benchmark_suite, leaves_no_file_no_thread_no_process_and_no_descriptor) {
    machines::scratch_tree folder;
    measured(folder.path());  // what OpenSSL keeps is there from the first time on
    const auto before = std::pair(threads(), descriptors());
    measured(folder.path());
    EXPECT_EQ(std::pair(threads(), descriptors()), before);
    EXPECT_EQ(children(), "");
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(benchmark_suite, the_calling_thread_may_run_where_it_could_before) {
    machines::scratch_tree folder;
    const auto before = own_mask();
    measured(folder.path());
    EXPECT_EQ(own_mask(), before);
}

TEST(benchmark_suite, a_folder_in_which_no_file_can_be_made_costs_the_disk_alone) {
    limits within;
    within.bandwidth = milliseconds(0);
    const auto facts = measured("/sys", within);
    for (const char* key : {"perf.disk_seq_read_bps", "perf.disk_seq_write_bps", "perf.disk_rand_iops",
                            "perf.fsync_p50_us", "perf.fsync_p95_us"}) {
        EXPECT_TRUE(machines::status_of(facts, key) == "denied" || machines::status_of(facts, key) == "error")
            << facts.at(key);
        EXPECT_NE(std::string(facts.at(key).at("detail").as_string()).find("making a file"), std::string::npos);
        EXPECT_EQ(facts.at(key).at("source"), boost::json::value("/sys"));
    }
    EXPECT_NE(machines::status_of(facts, "perf.spawn_us"), "missing");
}

TEST(benchmark_suite, a_folder_that_is_not_there_yet_is_measured_where_it_will_be) {
    machines::scratch_tree folder;
    const auto facts = measured(folder.path() + "/jobs/to/come");
    EXPECT_EQ(facts.at("perf.fsync_p50_us").at("source"), boost::json::value(folder.path()));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace sigrun::benchmark
