#include "topology_probe.hpp"

#include "fixtures/machines/rig.hpp"

namespace sigrun::topology {
namespace {

using machines::status_of;
using machines::value_of;

machines::fact_map facts_below(const std::string& root) {
    return machines::facts_below(root, [](auto& files, auto& run) { collect(files, run.facts()); });
}

// Each socket has a node, a third level cache, and two cores of two threads.
TEST(topology_probe, reads_a_recorded_topology) {
    const auto facts = facts_below(machines::folder("two_sockets"));
    EXPECT_EQ(value_of(facts, "cpu.sockets"), machines::json::value(2));
    EXPECT_EQ(value_of(facts, "cpu.cores"), machines::json::value(4));
    EXPECT_EQ(value_of(facts, "cpu.l3_domains"), machines::json::value(2));
    EXPECT_EQ(value_of(facts, "numa.count"), machines::json::value(2));
    EXPECT_EQ(value_of(facts, "numa.max_distance"), machines::json::value(21));
    EXPECT_EQ(
        value_of(facts, "numa.nodes"),
        machines::json::parse(
            R"([{"id":0,"cpus":"0-3","memory_bytes":17179869184},{"id":1,"cpus":"4-7","memory_bytes":17179869184}])"));
}

TEST(topology_probe, a_single_node_has_the_distance_that_sysfs_tells) {
    auto one = machines::slurp(machines::folder("two_sockets") + "/topology.xml");
    const auto from = one.find("<distances2 "), to = one.find("</distances2>");
    ASSERT_NE(to, one.npos);
    one.erase(from, to + 13 - from);
    machines::scratch_tree tree;
    tree.write("topology.xml", one);
    EXPECT_EQ(status_of(facts_below(tree.path()), "numa.max_distance"), "absent");
    tree.write("sys/devices/system/node/node0/distance", "10 21\n")
        .write("sys/devices/system/node/node1/distance", "21 x\n");
    EXPECT_EQ(value_of(facts_below(tree.path()), "numa.max_distance"), machines::json::value(21));
}

TEST(topology_probe, a_tree_without_a_topology_gives_no_value) {
    machines::scratch_tree tree;
    const auto facts = facts_below(tree.path());
    EXPECT_EQ(facts.size(), 6u);
    for (const auto& [key, f] : facts) EXPECT_EQ(f.at("status"), "absent") << key;
}

TEST(topology_probe, a_file_that_is_no_topology_is_an_error) {
    for (const char* text :
         {"", "garbage", "<topology>",
          "<?xml version=\"1.0\"?><topology version=\"2.0\"><object type=\"Machine\"/></topology>"}) {
        machines::scratch_tree tree;
        tree.write("topology.xml", text);
        for (const auto& [key, f] : facts_below(tree.path()))
            EXPECT_EQ(f.at("status"), "error") << key << " of " << text;
    }
}

TEST(topology_probe, the_live_machine_has_cores_on_sockets) {
    const auto facts = facts_below("");
    ASSERT_EQ(status_of(facts, "cpu.cores"), "ok");
    ASSERT_EQ(status_of(facts, "numa.count"), "ok");
    EXPECT_GE(value_of(facts, "cpu.cores").to_number<int>(), 1);
    if (status_of(facts, "cpu.sockets") == "ok") {
        EXPECT_LE(value_of(facts, "cpu.sockets").to_number<int>(), value_of(facts, "cpu.cores").to_number<int>());
    }
}

}  // namespace
}  // namespace sigrun::topology
