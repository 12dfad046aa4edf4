// Recorded machines in, facts out.
#include "calls.hpp"

#include <sigrun/cpp/dmi.hpp>

namespace sigrun::memory {
namespace {

using machines::facts_below;
using machines::status_of;
using machines::value_of;

class memory_probe_golden : public testing::TestWithParam<const char*> {};
TEST_P(memory_probe_golden, gives_exactly_the_recorded_facts) {
    machines::expect_golden(GetParam(), "memory", facts_of(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(machines, memory_probe_golden,
                         testing::Values("bare_v2", "v2_nested", "v1_unlimited", "hybrid_parent_limit", "docker_v1",
                                         "arm_hybrid", "garbage"),
                         [](const auto& p) { return std::string(p.param); });

TEST(memory_probe, an_empty_tree_gives_no_value_at_all) {
    machines::scratch_tree empty;
    const auto facts = facts_below(empty.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
    EXPECT_GT(facts.size(), 15u);
    for (const auto& [key, f] : facts) EXPECT_FALSE(f.contains("value")) << key << " " << f;
}

TEST(memory_probe, the_live_machine_has_an_amount_below_its_total) {
    const auto facts = facts_below("", [](auto& root, auto& run) { collect(root, live_calls(), run); });
    const auto total = value_of(facts, "memory.total_bytes"), effective = value_of(facts, "memory.effective_bytes");
    ASSERT_TRUE(total.is_number() && effective.is_number());
    EXPECT_GT(effective.to_number<std::uint64_t>(), 0u);
    EXPECT_LE(effective.to_number<std::uint64_t>(), total.to_number<std::uint64_t>());
}

/// A v2 machine with 8 GiB and the given limit files.
machines::fact_map machine_with(const std::vector<std::pair<std::string, std::string>>& files) {
    machines::scratch_tree tree;
    tree.write("proc/meminfo", "MemTotal:       8388608 kB\nMemAvailable:   4194304 kB\nSwapTotal: 0 kB\n");
    tree.write("proc/self/cgroup", "0::/a/b\n")
        .write("proc/self/mountinfo", "26 23 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    for (const auto& [name, text] : files) tree.write("sys/fs/cgroup/" + name, text);
    return facts_below(tree.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
}

TEST(memory_probe, the_lowest_ancestor_limit_holds_and_is_named) {
    auto facts = machine_with({{"a/memory.max", "1073741824\n"}, {"a/b/memory.max", "max\n"}});
    EXPECT_EQ(value_of(facts, "memory.limit_bytes"), machines::json::value(1073741824));
    EXPECT_EQ(value_of(facts, "memory.limit_source"), machines::json::value("/sys/fs/cgroup/a/memory.max"));
    facts = machine_with(
        {{"a/memory.max", "2147483648\n"}, {"a/b/memory.max", "1073741824\n"}, {"a/b/memory.high", "536870912\n"}});
    EXPECT_EQ(value_of(facts, "memory.limit_bytes"), machines::json::value(1073741824));
    EXPECT_EQ(value_of(facts, "memory.high_bytes"), machines::json::value(536870912));
    EXPECT_EQ(value_of(facts, "memory.effective_bytes"), machines::json::value(536870912));
}

TEST(memory_probe, a_limit_above_the_total_changes_nothing) {
    const auto facts = machine_with({{"a/b/memory.max", "1099511627776\n"}});
    EXPECT_EQ(value_of(facts, "memory.limit_bytes"), machines::json::value(1099511627776));
    EXPECT_EQ(value_of(facts, "memory.effective_bytes"), machines::json::value(8589934592));
}

TEST(memory_probe, a_limit_of_zero_is_a_limit) {
    EXPECT_EQ(value_of(machine_with({{"a/b/memory.max", "0\n"}}), "memory.effective_bytes"), machines::json::value(0));
}

TEST(memory_probe, an_unreadable_limit_makes_the_amount_unknown) {
    const auto facts = machine_with({{"a/memory.max", "many\n"}, {"a/b/memory.max", "1073741824\n"}});
    EXPECT_EQ(status_of(facts, "memory.limit_bytes"), "error");
    EXPECT_EQ(status_of(facts, "memory.effective_bytes"), "error");
    EXPECT_EQ(status_of(facts, "memory.total_bytes"), "ok");
}

TEST(memory_probe, limits_of_input_and_output_are_those_of_all_groups) {
    const auto facts = machine_with({{"a/io.max", "8:0 rbps=1024 wbps=max riops=max wiops=max\n"},
                                     {"a/b/io.max", "8:0 rbps=max wbps=max riops=7 wiops=max\n8:16 rbps=1\n"}});
    EXPECT_EQ(value_of(facts, "cgroup.io_max"),
              machines::json::value("8:0 rbps=max wbps=max riops=7 wiops=max; 8:16 rbps=1; 8:0 rbps=1024 wbps=max "
                                    "riops=max wiops=max"));
    EXPECT_EQ(status_of(machine_with({{"a/b/io.max", "\n"}}), "cgroup.io_max"), "absent");
    EXPECT_LE(value_of(machine_with({{"a/b/io.max", std::string(60'000, '=')}}), "cgroup.io_max").as_string().size(),
              128u);
    std::string many;
    for (int i = 0; i < 1000; ++i) many += "8:" + std::to_string(i) + " rbps=1\n";
    EXPECT_LE(value_of(machine_with({{"a/b/io.max", many}}), "cgroup.io_max").as_string().size(), 64u * 18);
    EXPECT_EQ(status_of(machine_with({{"a/b/io.max", std::string(100'000, 'x')}}), "cgroup.io_max"), "error");
}

TEST(memory_probe, limits_of_version_1_read_like_those_of_version_2) {
    machines::scratch_tree tree;
    tree.write("proc/self/cgroup", "2:memory:/a\n1:blkio:/a\n")
        .write("proc/self/mountinfo",
               "26 23 0:24 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
               "27 23 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
        .write("sys/fs/cgroup/blkio/a/blkio.throttle.read_bps_device", "8:0 1048576\n")
        .write("sys/fs/cgroup/blkio/a/blkio.throttle.write_iops_device", "8:0 120\njunk\n8:0 many\n")
        .write("sys/fs/cgroup/memory/a/tasks", "");
    const auto facts = facts_below(tree.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); });
    EXPECT_EQ(value_of(facts, "cgroup.io_max"), machines::json::value("8:0 rbps=1048576; 8:0 wiops=120"));
}

TEST(memory_probe, a_group_is_delegated_if_all_of_it_may_be_written) {
    const auto delegated = [](const std::string& denied) {
        machines::scratch_tree tree;
        tree.write("proc/self/cgroup", "0::/a\n")
            .write("proc/self/mountinfo", "26 23 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
            .write("sys/fs/cgroup/a/cgroup.procs", "");
        machine_calls calls;
        calls.writable = [&](const std::string& path) { return path != denied; };
        return value_of(facts_below(tree.path(), [&](auto& root, auto& run) { collect(root, calls, run); }),
                        "cgroup.delegated");
    };
    EXPECT_EQ(delegated(""), machines::json::value(true));
    for (const char* path :
         {"/sys/fs/cgroup/a", "/sys/fs/cgroup/a/cgroup.procs", "/sys/fs/cgroup/a/cgroup.subtree_control"})
        EXPECT_EQ(delegated(path), machines::json::value(false)) << path;
}

TEST(memory_probe, a_name_space_is_known_by_its_number) {
    const auto namespaced = [](const char* text) {
        machines::scratch_tree tree;
        tree.write("proc/self/cgroup", "1:memory:/a\n")
            .write("proc/self/mountinfo", "26 23 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
        std::filesystem::create_directories(tree.path() + "/proc/self/ns");
        std::filesystem::create_symlink(text, tree.path() + "/proc/self/ns/cgroup");
        return value_of(facts_below(tree.path(), [](auto& root, auto& run) { collect(root, machine_calls{}, run); }),
                        "cgroup.namespaced");
    };
    EXPECT_EQ(namespaced("cgroup:[4026531835]"), machines::json::value(false));
    EXPECT_EQ(namespaced("cgroup:[4026532201]"), machines::json::value(true));
    EXPECT_EQ(namespaced("junk"), machines::json::value());
}

TEST(memory_probe, the_own_group_of_this_machine_is_delegated_if_one_can_be_made_in_it) {
    const auto facts = facts_below("", [](auto& root, auto& run) { collect(root, live_calls(), run); });
    if (status_of(facts, "cgroup.delegated") != "ok") return;  // no groups here
    const std::string own(facts.at("cgroup.delegated").at("source").as_string());
    const auto child = own + "/sigrun-test-" + std::to_string(::getpid());
    const bool made = ::mkdir(child.c_str(), 0700) == 0;
    if (made) ::rmdir(child.c_str());
    // Being allowed to make one is necessary; all of it must be writable.
    if (value_of(facts, "cgroup.delegated") == machines::json::value(true)) {
        EXPECT_TRUE(made) << child;
    }
}

/// SMBIOS structures as firmware writes them.
std::string module(unsigned size, unsigned type, unsigned speed) {
    std::string s(0x22, '\0');
    s[0] = 17, s[1] = 0x22, s[0x0C] = static_cast<char>(size & 255), s[0x0D] = static_cast<char>(size >> 8);
    s[0x12] = static_cast<char>(type), s[0x15] = static_cast<char>(speed & 255),
    s[0x16] = static_cast<char>(speed >> 8);
    return s + "Maker" + std::string(2, '\0');
}
std::string array(unsigned correction) {
    std::string s(0x0F, '\0');
    s[0] = 16, s[1] = 0x0F, s[6] = static_cast<char>(correction);
    return s + std::string(2, '\0');
}

TEST(memory_probe, modules_are_what_firmware_says) {
    machines::scratch_tree tree;
    tree.write("sys/firmware/dmi/tables/DMI",
               array(6) + module(16384, 0x22, 5600) + module(0, 0x1A, 0) + module(16384, 0x22, 4800));
    const auto facts = facts_below(tree.path(), [](auto& root, auto& run) { read_modules(root, run.facts()); });
    EXPECT_EQ(value_of(facts, "memory.type"), machines::json::value("DDR5"));
    EXPECT_EQ(value_of(facts, "memory.speed_mtps"), machines::json::value(4800));
    EXPECT_EQ(value_of(facts, "memory.ecc"), machines::json::value(true));
}

TEST(memory_probe, a_virtual_machine_has_no_module_type) {
    machines::scratch_tree tree;
    tree.write("sys/firmware/dmi/tables/DMI",
               array(2) + module(16384, 0x07, 0));  // "RAM", no speed, correction unknown
    const auto facts = facts_below(tree.path(), [](auto& root, auto& run) { read_modules(root, run.facts()); });
    for (const char* key : {"memory.type", "memory.speed_mtps", "memory.ecc"})
        EXPECT_EQ(status_of(facts, key), "unsupported") << key;
}

TEST(memory_probe, a_table_that_lies_about_its_lengths_is_read_up_to_the_lie) {
    const std::string whole = array(3) + module(16384, 0x1A, 3200) + module(16384, 0x1A, 3200);
    for (std::size_t n = 0; n <= whole.size(); ++n) EXPECT_LE(sdk::parse_dmi_memory(whole.substr(0, n)).modules, 2u);
    EXPECT_EQ(sdk::parse_dmi_memory(whole).modules, 2u);
    EXPECT_EQ(sdk::parse_dmi_memory(std::string("\x11\x02\0\0\0\0", 6)).modules, 0u);
    EXPECT_EQ(sdk::parse_dmi_memory(module(1, 0x1A, 1) + module(1, 0x22, 1)).type, "")
        << "mixed modules have no one type";
}

}  // namespace
}  // namespace sigrun::memory
