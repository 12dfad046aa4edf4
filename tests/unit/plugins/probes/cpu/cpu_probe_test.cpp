// Recorded machines in, facts out.
#include "calls.hpp"

#include <thread>

namespace sigrun::cpu {
namespace {

using machines::facts_below;
using machines::status_of;
using machines::value_of;

class cpu_probe_golden : public testing::TestWithParam<const char*> {};
TEST_P(cpu_probe_golden, gives_exactly_the_recorded_facts) {
    machines::expect_golden(GetParam(), "cpu", facts_of(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(machines, cpu_probe_golden,
                         testing::Values("bare_v2", "v2_nested", "v1_unlimited", "hybrid_parent_limit", "docker_v1",
                                         "arm_hybrid", "garbage"),
                         [](const auto& p) { return std::string(p.param); });

TEST(cpu_probe, an_empty_tree_gives_no_value_at_all) {
    machines::scratch_tree empty;
    const auto facts = facts_below(empty.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
    EXPECT_GT(facts.size(), 25u);
    for (const auto& [key, f] : facts) EXPECT_FALSE(f.contains("value")) << key << " " << f;
}

TEST(cpu_probe, a_missing_tree_gives_no_value_either) {
    const auto facts =
        facts_below("/nowhere/at/all", [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
    for (const auto& [key, f] : facts) EXPECT_FALSE(f.contains("value")) << key << " " << f;
}

TEST(cpu_probe, the_live_machine_has_sourced_values_and_no_more_cores_than_processors) {
    const auto facts = facts_below("", [](auto& root, auto& run) { collect(root, live_calls(), run); });
    const auto effective = value_of(facts, "cpu.effective_cores");
    ASSERT_TRUE(effective.is_double()) << "cpu.effective_cores is " << status_of(facts, "cpu.effective_cores");
    EXPECT_GT(effective.as_double(), 0);
    EXPECT_LE(effective.as_double(), std::thread::hardware_concurrency());
    EXPECT_EQ(value_of(facts, "cpu.affinity").to_number<unsigned>(), std::thread::hardware_concurrency());
    EXPECT_EQ(status_of(facts, "cpu.model"), "ok");
}

TEST(cpu_probe, a_model_name_may_hold_the_base_frequency) {
    EXPECT_EQ(hz_of_model_name("Intel(R) Xeon(R) CPU @ 2.20GHz"), 2'200'000'000u);
    EXPECT_EQ(hz_of_model_name("Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz"), 3'000'000'000u);
    for (const char* name : {"", "AMD EPYC 7B13", "@", "@GHz", "@ xGHz", "@ nanGHz", "@ 1e9GHz", "2.20GHz", "GHz @ 2"})
        EXPECT_FALSE(hz_of_model_name(name)) << name;
    machines::scratch_tree tree;
    tree.write("proc/cpuinfo", "model name\t: Intel(R) Xeon(R) CPU @ 2.20GHz\n");
    const auto facts = facts_below(tree.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
    EXPECT_EQ(value_of(facts, "cpu.base_hz"), machines::json::value(2'200'000'000u));
    EXPECT_EQ(facts.at("cpu.base_hz").at("method"), "derived");
    EXPECT_EQ(status_of(facts, "cpu.max_hz"), "absent");
}

TEST(cpu_probe, stops_between_parts_when_it_is_cancelled) {
    machines::collecting_sink sink;
    const sdk::sysroot root(machines::folder("bare_v2"));
    const std::atomic<sigrun_op> cancelled{7};
    sdk::probe_run run("cpu.*,numa.*", &sink.abi, &cancelled, 7, 0);
    collect(root, recorded_calls("bare_v2"), run);
    run.finish();
    EXPECT_EQ(status_of(sink.facts, "cpu.effective_cores"), "ok");  // what was read first is kept
    EXPECT_EQ(status_of(sink.facts, "cpu.cores"), "missing");
    EXPECT_EQ(status_of(sink.facts, "cpu.*"), "timeout");
    EXPECT_EQ(status_of(sink.facts, "numa.*"), "timeout");
}

TEST(cpu_probe, a_deadline_in_the_past_stops_it_too) {
    machines::collecting_sink sink;
    const sdk::sysroot root(machines::folder("bare_v2"));
    sdk::probe_run run("cpu.*", &sink.abi, nullptr, 7, 1);
    collect(root, recorded_calls("bare_v2"), run);
    run.finish();
    EXPECT_EQ(status_of(sink.facts, "cpu.*"), "timeout");
}

}  // namespace
}  // namespace sigrun::cpu
