// What holds for every tree of control groups, on trees made by chance: nobody may use more than each ancestor allows.
#include "cpu_probe.hpp"
#include "fixtures/machines/rig.hpp"
#include "memory_probe.hpp"

#include <unistd.h>

#include <random>

namespace machines {
namespace {

constexpr std::uint64_t k_machine_bytes = 8'388'608ull * 1024;
constexpr unsigned k_processors = 16;

struct group_tree {
    bool v1 = false;
    double cores = k_processors;
    std::uint64_t bytes = k_machine_bytes;
    std::string described;
};

/// A chain of groups with limits here and there, some above the machine, some said to be none.
group_tree make_groups(scratch_tree& files, std::mt19937& random) {
    const auto below = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
    group_tree out;
    out.v1 = below(2) == 0;
    const std::string cpu = out.v1 ? "sys/fs/cgroup/cpu" : "sys/fs/cgroup";
    const std::string memory = out.v1 ? "sys/fs/cgroup/memory" : "sys/fs/cgroup";
    std::string path;
    fs::create_directories(files.path() + "/" + cpu);
    fs::create_directories(files.path() + "/" + memory);
    for (unsigned level = 0, depth = below(8); level <= depth; ++level) {
        path += "/g" + std::to_string(below(100));
        if (below(3) > 0) {
            const unsigned period = below(2) ? 100'000 : 10'000;
            const bool none = below(3) == 0;
            const std::uint64_t quota = std::uint64_t{1 + below(320)} * period / 10;  // 0.1 to 32 processors
            const std::string text = none ? (out.v1 ? "-1" : "max") : std::to_string(quota);
            if (out.v1)
                files.write(cpu + path + "/cpu.cfs_quota_us", text + "\n")
                    .write(cpu + path + "/cpu.cfs_period_us", std::to_string(period) + "\n");
            else
                files.write(cpu + path + "/cpu.max", text + " " + std::to_string(period) + "\n");
            if (!none) out.cores = std::min(out.cores, static_cast<double>(quota) / period);
            out.described += " cpu " + text + "/" + std::to_string(period);
        }
        if (below(3) > 0) {
            const bool none = below(3) == 0;
            const std::uint64_t bytes = std::uint64_t{1 + below(16'384)} << 20;
            const std::string text = none ? (out.v1 ? "9223372036854771712" : "max") : std::to_string(bytes);
            files.write(memory + path + (out.v1 ? "/memory.limit_in_bytes" : "/memory.max"), text + "\n");
            if (!none) out.bytes = std::min(out.bytes, bytes);
            out.described += " memory " + text;
        }
        fs::create_directories(files.path() + "/" + cpu + path);
        fs::create_directories(files.path() + "/" + memory + path);
        out.described += " |";
    }
    const auto line = [](const char* id, const char* at, const char* kind, const char* options) {
        return std::string(id) + " 1 0:40 / /sys/fs/cgroup" + at + " rw - " + kind + " cgroup rw" + options + "\n";
    };
    files.write("proc/self/mountinfo",
                out.v1 ? line("40", "/cpu", "cgroup", ",cpu,cpuacct") + line("41", "/memory", "cgroup", ",memory")
                       : line("40", "", "cgroup2", ""));
    files.write("proc/self/cgroup",
                out.v1 ? "2:memory:" + path + "\n1:cpu,cpuacct:" + path + "\n" : "0::" + path + "\n");
    files.write("proc/self/status", "Cpus_allowed_list:\t0-15\n").write("proc/meminfo", "MemTotal: 8388608 kB\n");
    files.write("sys/devices/system/cpu/online", "0-15\n");
    return out;
}

TEST(generated_groups, nobody_may_use_more_than_the_least_of_all_ancestors_allows) {
    constexpr unsigned k_seed = 20'241, k_trees = 300;
    std::mt19937 random(k_seed);
    for (unsigned i = 0; i < k_trees; ++i) {
        scratch_tree tree(::access("/dev/shm", W_OK) == 0 ? fs::path("/dev/shm") : fs::temp_directory_path());
        const auto made = make_groups(tree, random);
        const auto facts = facts_below(tree.path(), [](auto& root, auto& run) {
            sigrun::cpu::read_limits(root, {}, run.facts());
            sigrun::memory::read_amounts(root, {}, run.facts());
        });
        EXPECT_EQ(value_of(facts, "cpu.effective_cores"), json::value(made.cores))
            << "tree " << i << (made.v1 ? " v1" : " v2") << made.described;
        EXPECT_EQ(value_of(facts, "memory.effective_bytes"), json::value(made.bytes))
            << "tree " << i << (made.v1 ? " v1" : " v2") << made.described;
    }
}

}  // namespace
}  // namespace machines
