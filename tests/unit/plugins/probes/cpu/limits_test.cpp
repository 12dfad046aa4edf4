// Forty-four cgroup layouts, each with the answer that a person computed.
#include "calls.hpp"

namespace sigrun::cpu {
namespace {

constexpr const char* k_v2 = "26 23 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
constexpr const char* k_v1 =
    "40 31 0:40 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "41 31 0:41 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";

struct layout {
    const char* name;
    const char* mounts;
    const char* groups;                                      // /proc/self/cgroup
    const char* affinity;                                    // Cpus_allowed_list
    std::vector<std::pair<const char*, const char*>> files;  // below sys/fs/cgroup/
    double quota;                                            // -1: absent, -2: error, -3: denied
    double effective;                                        // -2: error
};

std::ostream& operator<<(std::ostream& out, const layout& l) { return out << l.name; }

const layout k_layouts[] = {
    // -- v2, one level
    {"v2_top_only", k_v2, "0::/\n", "0-7", {}, -1, 8},
    {"v2_max", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "max 100000\n"}}, -1, 8},
    {"v2_one_core", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "100000 100000\n"}}, 1, 1},
    {"v2_half_core", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "50000 100000\n"}}, 0.5, 0.5},
    {"v2_fraction", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "250000 100000\n"}}, 2.5, 2.5},
    {"v2_short_period", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "30000 10000\n"}}, 3, 3},
    {"v2_smallest", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "1000 1000000\n"}}, 0.001, 0.001},
    {"v2_above_the_cores", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "1600000 100000\n"}}, 16, 8},
    {"v2_no_newline", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "200000 100000"}}, 2, 2},
    // -- v2, nested
    {"v2_parent_wins_over_leaf_max",
     k_v2,
     "0::/a/b\n",
     "0-7",
     {{"a/cpu.max", "200000 100000\n"}, {"a/b/cpu.max", "max 100000\n"}},
     2,
     2},
    {"v2_leaf_wins",
     k_v2,
     "0::/a/b\n",
     "0-7",
     {{"a/cpu.max", "400000 100000\n"}, {"a/b/cpu.max", "300000 100000\n"}},
     3,
     3},
    {"v2_middle_wins",
     k_v2,
     "0::/a/b/c\n",
     "0-7",
     {{"a/cpu.max", "600000 100000\n"}, {"a/b/cpu.max", "150000 100000\n"}, {"a/b/c/cpu.max", "500000 100000\n"}},
     1.5,
     1.5},
    {"v2_top_wins",
     k_v2,
     "0::/a/b/c\n",
     "0-7",
     {{"a/cpu.max", "100000 100000\n"}, {"a/b/cpu.max", "max 100000\n"}, {"a/b/c/cpu.max", "max 100000\n"}},
     1,
     1},
    {"v2_controller_only_above",
     k_v2,
     "0::/a/b/c\n",
     "0-7",
     {{"a/cpu.max", "700000 100000\n"}, {"a/b/c/cgroup.procs", ""}},
     7,
     7},
    {"v2_twelve_levels",
     k_v2,
     "0::/a/b/c/d/e/f/g/h/i/j/k/l\n",
     "0-7",
     {{"a/b/c/d/e/cpu.max", "350000 100000\n"}, {"a/b/c/d/e/f/g/h/i/j/k/l/cpu.max", "max 100000\n"}},
     3.5,
     3.5},
    {"v2_escaped_name",
     k_v2,
     "0::/system.slice/system-getty.slice/getty@tty1.service\n",
     "0-7",
     {{"system.slice/system-getty.slice/getty@tty1.service/cpu.max", "400000 100000\n"}},
     4,
     4},
    {"v2_deleted_group", k_v2, "0::/gone (deleted)\n", "0-7", {{"cpu.max", "500000 100000\n"}}, 5, 5},
    // -- v2, name spaces
    {"v2_namespaced_top_has_a_limit", k_v2, "0::/\n", "0-7", {{"cpu.max", "600000 100000\n"}}, 6, 6},
    {"v2_outside_the_name_space", k_v2, "0::/../../other\n", "0-7", {{"cpu.max", "200000 100000\n"}}, 2, 2},
    {"v2_host_path_container_mount",
     "26 23 0:24 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
     "0::/docker/x\n",
     "0-7",
     {{"cpu.max", "300000 100000\n"}},
     3,
     3},
    {"v2_below_the_container_mount",
     "26 23 0:24 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
     "0::/docker/x/y\n",
     "0-7",
     {{"cpu.max", "300000 100000\n"}, {"y/cpu.max", "100000 100000\n"}},
     1,
     1},
    {"v2_name_prefix_is_not_an_ancestor",
     "26 23 0:24 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
     "0::/docker/xy\n",
     "0-7",
     {{"cpu.max", "300000 100000\n"}, {"y/cpu.max", "100000 100000\n"}},
     3,
     3},
    // -- v2, cpuset and affinity
    {"v2_cpuset", k_v2, "0::/a\n", "0-7", {{"a/cpuset.cpus.effective", "0-2\n"}}, -1, 3},
    {"v2_cpuset_of_the_parent", k_v2, "0::/a/b\n", "0-7", {{"a/cpuset.cpus.effective", "4,6\n"}}, -1, 2},
    {"v2_cpuset_and_affinity_overlap", k_v2, "0::/a\n", "2-5", {{"a/cpuset.cpus.effective", "0-3\n"}}, -1, 2},
    {"v2_affinity_alone", k_v2, "0::/a\n", "7", {{"a/cpu.max", "max 100000\n"}}, -1, 1},
    {"v2_quota_below_the_cpuset",
     k_v2,
     "0::/a\n",
     "0-7",
     {{"a/cpuset.cpus.effective", "0-3\n"}, {"a/cpu.max", "150000 100000\n"}},
     1.5,
     1.5},
    {"v2_cpuset_below_the_quota",
     k_v2,
     "0::/a\n",
     "0-7",
     {{"a/cpuset.cpus.effective", "0\n"}, {"a/cpu.max", "400000 100000\n"}},
     4,
     1},
    {"v2_empty_cpuset_means_not_configured", k_v2, "0::/a\n", "0-7", {{"a/cpuset.cpus.effective", "\n"}}, -1, 8},
    {"v2_nothing_in_common", k_v2, "0::/a\n", "0-1", {{"a/cpuset.cpus.effective", "4-5\n"}}, -1, -2},
    // -- v1
    {"v1_unlimited",
     k_v1,
     "1:cpu,cpuacct:/\n",
     "0-7",
     {{"cpu/cpu.cfs_quota_us", "-1\n"}, {"cpu/cpu.cfs_period_us", "100000\n"}},
     -1,
     8},
    {"v1_quota",
     k_v1,
     "1:cpu,cpuacct:/a\n",
     "0-7",
     {{"cpu/a/cpu.cfs_quota_us", "250000\n"}, {"cpu/a/cpu.cfs_period_us", "100000\n"}},
     2.5,
     2.5},
    {"v1_parent_wins",
     k_v1,
     "1:cpu,cpuacct:/a/b\n",
     "0-7",
     {{"cpu/a/cpu.cfs_quota_us", "100000\n"},
      {"cpu/a/cpu.cfs_period_us", "100000\n"},
      {"cpu/a/b/cpu.cfs_quota_us", "-1\n"},
      {"cpu/a/b/cpu.cfs_period_us", "100000\n"}},
     1,
     1},
    {"v1_shares_are_no_limit",
     k_v1,
     "1:cpu,cpuacct:/a\n",
     "0-7",
     {{"cpu/a/cpu.shares", "2\n"}, {"cpu/a/cpu.cfs_quota_us", "-1\n"}},
     -1,
     8},
    {"v1_cpuset_effective",
     k_v1,
     "2:cpuset:/a\n1:cpu,cpuacct:/\n",
     "0-7",
     {{"cpuset/a/cpuset.effective_cpus", "1-2\n"}, {"cpuset/a/cpuset.cpus", "0-7\n"}},
     -1,
     2},
    {"v1_cpuset_old_kernel", k_v1, "2:cpuset:/a\n", "0-7", {{"cpuset/a/cpuset.cpus", "0-4\n"}}, -1, 5},
    {"v1_docker",
     "40 31 0:40 /docker/c /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
     "1:cpu:/docker/c\n",
     "0-7",
     {{"cpu/cpu.cfs_quota_us", "150000\n"}, {"cpu/cpu.cfs_period_us", "100000\n"}},
     1.5,
     1.5},
    {"v1_host_path_not_mounted",
     k_v1,
     "1:cpu,cpuacct:/docker/c\n",
     "0-7",
     {{"cpu/cpu.cfs_quota_us", "350000\n"}, {"cpu/cpu.cfs_period_us", "100000\n"}},
     3.5,
     3.5},
    // -- hybrid
    {"hybrid_controller_on_v1",
     "40 31 0:40 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n50 31 0:50 / /sys/fs/cgroup/unified rw - "
     "cgroup2 cgroup2 rw\n",
     "1:cpu:/a\n0::/a\n",
     "0-7",
     {{"cpu/a/cpu.cfs_quota_us", "200000\n"},
      {"cpu/a/cpu.cfs_period_us", "100000\n"},
      {"unified/a/cpu.max", "100000 100000\n"}},
     2,
     2},
    {"hybrid_controller_on_v2",
     "40 31 0:40 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n50 31 0:50 / "
     "/sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
     "1:name=systemd:/a\n0::/a\n",
     "0-7",
     {{"unified/a/cpu.max", "300000 100000\n"}},
     3,
     3},
    // -- what cannot be known
    {"no_control_groups", "", "", "0-3", {}, -1, 4},
    {"nonsense_in_the_leaf", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "lots 100000\n"}}, -2, -2},
    {"nonsense_above_a_good_leaf",
     k_v2,
     "0::/a/b\n",
     "0-7",
     {{"a/cpu.max", "100000\n"}, {"a/b/cpu.max", "200000 100000\n"}},
     -2,
     -2},
    {"zero_period", k_v2, "0::/a\n", "0-7", {{"a/cpu.max", "100000 0\n"}}, -2, -2},
    {"v1_period_missing", k_v1, "1:cpu,cpuacct:/a\n", "0-7", {{"cpu/a/cpu.cfs_quota_us", "100000\n"}}, -3, -3},
    {"cpuset_not_a_list", k_v2, "0::/a\n", "0-7", {{"a/cpuset.cpus.effective", "3-1\n"}}, -1, -2},
};

class cpu_limits : public testing::TestWithParam<layout> {};

TEST_P(cpu_limits, are_the_lowest_of_all_that_hold) {
    const layout& l = GetParam();
    machines::scratch_tree tree;
    tree.write("proc/self/mountinfo", l.mounts).write("proc/self/cgroup", l.groups);
    tree.write("proc/self/status", std::string("Cpus_allowed_list:\t") + l.affinity + "\n");
    tree.write("sys/devices/system/cpu/online", "0-7\n");
    for (const auto& [name, text] : l.files) tree.write(std::string("sys/fs/cgroup/") + name, text);
    const auto facts = machines::facts_below(
        tree.path(), [](auto& root, auto& run) { read_limits(root, machine_calls{}, run.facts()); });

    auto expect = [&](const char* key, double want) {
        if (want >= 0)
            EXPECT_EQ(machines::value_of(facts, key), machines::json::value(want))
                << key << " is " << machines::status_of(facts, key);
        else if (want == -3)
            EXPECT_EQ(machines::value_of(facts, key), machines::json::value()) << key;
        else
            EXPECT_EQ(machines::status_of(facts, key), want == -1 ? "absent" : "error") << key;
    };
    expect("cpu.quota_cores", l.quota);
    expect("cpu.effective_cores", l.effective);
}

INSTANTIATE_TEST_SUITE_P(layouts, cpu_limits, testing::ValuesIn(k_layouts),
                         [](const auto& p) { return std::string(p.param.name); });

TEST(cpu_limits_of_the_machine, offline_processors_do_not_count) {
    machines::scratch_tree tree;
    tree.write("proc/self/status", "Cpus_allowed_list:\t0-7\n").write("sys/devices/system/cpu/online", "0-3\n");
    const auto facts = machines::facts_below(
        tree.path(), [](auto& root, auto& run) { read_limits(root, machine_calls{}, run.facts()); });
    EXPECT_EQ(machines::value_of(facts, "cpu.effective_cores"), machines::json::value(4.0));
}

}  // namespace
}  // namespace sigrun::cpu
