// Memory limits in control group trees, each with the answer that a person computed: the machine has 8 GiB.
#include "calls.hpp"

namespace sigrun::memory {
namespace {

constexpr std::uint64_t k_mib = 1024 * 1024, k_total = 8192 * k_mib;
constexpr std::uint64_t k_absent = ~std::uint64_t{0}, k_error = k_absent - 1;
constexpr const char* k_v2 = "26 23 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
constexpr const char* k_v1 =
    "40 31 0:40 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 31 0:41 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";

struct layout {
    const char* name;
    const char* mounts;
    const char* groups;
    std::vector<std::pair<const char*, const char*>> files;  // below sys/fs/cgroup/
    std::uint64_t limit, high, effective;
};
std::ostream& operator<<(std::ostream& out, const layout& l) { return out << l.name; }

const layout k_layouts[] = {
    {"v2_top_only", k_v2, "0::/\n", {}, k_absent, k_absent, k_total},
    {"v2_leaf", k_v2, "0::/a\n", {{"a/memory.max", "1073741824\n"}}, 1024 * k_mib, k_absent, 1024 * k_mib},
    {"v2_max_leaf_below_a_limit",
     k_v2,
     "0::/a/b\n",
     {{"a/memory.max", "536870912\n"}, {"a/b/memory.max", "max\n"}},
     512 * k_mib,
     k_absent,
     512 * k_mib},
    {"v2_middle",
     k_v2,
     "0::/a/b/c\n",
     {{"a/memory.max", "4294967296\n"}, {"a/b/memory.max", "268435456\n"}, {"a/b/c/memory.max", "1073741824\n"}},
     256 * k_mib,
     k_absent,
     256 * k_mib},
    {"v2_high_below_max",
     k_v2,
     "0::/a\n",
     {{"a/memory.max", "1073741824\n"}, {"a/memory.high", "805306368\n"}},
     1024 * k_mib,
     768 * k_mib,
     768 * k_mib},
    {"v2_high_of_the_parent_without_max",
     k_v2,
     "0::/a/b\n",
     {{"a/memory.high", "1073741824\n"}, {"a/b/memory.high", "max\n"}, {"a/b/memory.max", "max\n"}},
     k_absent,
     1024 * k_mib,
     1024 * k_mib},
    {"v2_high_above_max",
     k_v2,
     "0::/a\n",
     {{"a/memory.max", "536870912\n"}, {"a/memory.high", "1073741824\n"}},
     512 * k_mib,
     1024 * k_mib,
     512 * k_mib},
    {"v2_no_swap_is_no_memory_limit",
     k_v2,
     "0::/a\n",
     {{"a/memory.max", "max\n"}, {"a/memory.swap.max", "0\n"}},
     k_absent,
     k_absent,
     k_total},
    {"v2_guaranteed_is_no_limit", k_v2, "0::/a\n", {{"a/memory.min", "1048576\n"}}, k_absent, k_absent, k_total},
    {"v2_above_the_machine", k_v2, "0::/a\n", {{"a/memory.max", "17179869184\n"}}, 16384 * k_mib, k_absent, k_total},
    {"v2_name_space", k_v2, "0::/\n", {{"memory.max", "1073741824\n"}}, 1024 * k_mib, k_absent, 1024 * k_mib},
    {"v2_controller_not_in_the_leaf",
     k_v2,
     "0::/a/b\n",
     {{"a/memory.max", "1073741824\n"}, {"a/b/cgroup.procs", ""}},
     1024 * k_mib,
     k_absent,
     1024 * k_mib},
    {"v2_host_view_of_a_container",
     "26 23 0:24 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
     "0::/docker/x\n",
     {{"memory.max", "134217728\n"}},
     128 * k_mib,
     k_absent,
     128 * k_mib},
    {"v2_garbage", k_v2, "0::/a\n", {{"a/memory.max", "12 apples\n"}}, k_error, k_absent, k_error},
    {"v2_negative", k_v2, "0::/a\n", {{"a/memory.max", "-5\n"}}, k_error, k_absent, k_error},
    {"v2_empty_file", k_v2, "0::/a\n", {{"a/memory.max", ""}}, k_error, k_absent, k_error},
    {"v2_garbage_in_high", k_v2, "0::/a\n", {{"a/memory.high", "x\n"}}, k_absent, k_error, k_error},
    {"v1_unlimited",
     k_v1,
     "2:memory:/a\n",
     {{"memory/a/memory.limit_in_bytes", "9223372036854771712\n"}},
     k_absent,
     k_absent,
     k_total},
    {"v1_unlimited_with_large_pages",
     k_v1,
     "2:memory:/a\n",
     {{"memory/a/memory.limit_in_bytes", "9223372036854710272\n"}},
     k_absent,
     k_absent,
     k_total},
    {"v1_parent",
     k_v1,
     "2:memory:/a/b\n",
     {{"memory/a/memory.limit_in_bytes", "1073741824\n"},
      {"memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"}},
     1024 * k_mib,
     k_absent,
     1024 * k_mib},
    {"v1_unseen_ancestor_in_the_statistics",
     "40 31 0:40 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
     "2:memory:/docker/x\n",
     {{"memory/memory.limit_in_bytes", "9223372036854771712\n"},
      {"memory/memory.stat", "cache 1\nhierarchical_memory_limit 268435456\n"}},
     256 * k_mib,
     k_absent,
     256 * k_mib},
    {"v1_soft_limit_is_no_limit",
     k_v1,
     "2:memory:/a\n",
     {{"memory/a/memory.soft_limit_in_bytes", "1048576\n"}},
     k_absent,
     k_absent,
     k_total},
    {"hybrid_memory_on_v1",
     "40 31 0:40 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
     "50 31 0:50 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
     "2:memory:/a\n0::/a\n",
     {{"memory/a/memory.limit_in_bytes", "1073741824\n"}, {"unified/a/memory.max", "1048576\n"}},
     1024 * k_mib,
     k_absent,
     1024 * k_mib},
    {"no_groups", "", "", {}, k_absent, k_absent, k_total},
};

class memory_limits : public testing::TestWithParam<layout> {};
TEST_P(memory_limits, are_the_lowest_of_all_that_hold) {
    const auto& l = GetParam();
    machines::scratch_tree tree;
    tree.write("proc/self/mountinfo", l.mounts).write("proc/self/cgroup", l.groups);
    tree.write("proc/meminfo", "MemTotal: 8388608 kB\n");
    for (const auto& [name, text] : l.files) tree.write(std::string("sys/fs/cgroup/") + name, text);
    const auto facts = machines::facts_below(
        tree.path(), [](auto& root, auto& run) { read_amounts(root, machine_calls{}, run.facts()); });
    const auto expect = [&](const char* key, std::uint64_t want) {
        if (want < k_error)
            EXPECT_EQ(machines::value_of(facts, key), machines::json::value(want))
                << key << " is " << machines::status_of(facts, key);
        else
            EXPECT_EQ(machines::status_of(facts, key), want == k_absent ? "absent" : "error") << key;
    };
    expect("memory.limit_bytes", l.limit);
    expect("memory.high_bytes", l.high);
    expect("memory.effective_bytes", l.effective);
}
INSTANTIATE_TEST_SUITE_P(layouts, memory_limits, testing::ValuesIn(k_layouts),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace sigrun::memory
