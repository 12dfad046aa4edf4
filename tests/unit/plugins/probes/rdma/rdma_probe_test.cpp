#include "rdma_probe.hpp"

#include "fixtures/machines/rig.hpp"

namespace sigrun::rdma {
namespace {

using machines::status_of;
using machines::value_of;
using machines::json::value;

machines::fact_map facts_of(const machines::scratch_tree& tree) {
    return machines::facts_below(tree.path(), [](auto& root, auto& run) { collect(root, run); });
}
void port(machines::scratch_tree& tree, const std::string& name, const char* state, const char* rate,
          const char* layer) {
    const std::string folder = "sys/class/infiniband/" + name;
    tree.write(folder + "/state", state).write(folder + "/rate", rate).write(folder + "/link_layer", layer);
}

TEST(rdma_probe, rdma_ports_are_listed_with_rate_and_state) {
    machines::scratch_tree tree;
    port(tree, "mlx5_0/ports/1", "4: ACTIVE\n", "100 Gb/sec (4X EDR)\n", "InfiniBand\n");
    port(tree, "mlx5_0/ports/2", "1: DOWN\n", "2.5 Gb/sec (1X SDR)\n", "InfiniBand\n");
    port(tree, "rocep1/ports/1", "4: ACTIVE\n", "25 Gb/sec (1X EDR)\n", "Ethernet\n");
    tree.write("sys/class/infiniband/mlx5_0/fw_ver", "16.35.2000\n");
    EXPECT_EQ(value_of(facts_of(tree), "rdma"), machines::json::parse(R"([
        {"device":"mlx5_0","link_layer":"InfiniBand","rate_bps":100000000000,"state":"active","firmware":"16.35.2000"},
        {"device":"mlx5_0","link_layer":"InfiniBand","rate_bps":2500000000,"state":"down","firmware":"16.35.2000"},
        {"device":"rocep1","link_layer":"Ethernet","rate_bps":25000000000,"state":"active"}])"));
}

TEST(rdma_probe, a_machine_without_such_devices_has_none) {
    machines::scratch_tree tree;
    EXPECT_EQ(status_of(facts_of(tree), "rdma"), "absent");
    tree.write("sys/class/infiniband/mlx5_0/node_type", "1: CA\n");  // a device without ports
    EXPECT_EQ(status_of(facts_of(tree), "rdma"), "absent");
}

TEST(rdma_probe, what_is_not_understood_is_left_out) {
    machines::scratch_tree tree;
    port(tree, "x/ports/1", "ACTIVE", "fast", "");
    EXPECT_EQ(value_of(facts_of(tree), "rdma"), machines::json::parse(R"([{"device":"x"}])"));
    for (const char* text :
         {"", "100", "100 Gb", "-1 Gb/sec", "nan Gb/sec", "inf Gb/sec", "1e9 Gb/sec", "0 Gb/sec", "x Gb/sec"})
        EXPECT_FALSE(parse_rate(text)) << text;
    for (const char* text : {"", ":", "4:", "4: ", "x: ACTIVE", "4: ACT IVE", "4: <b>"})
        EXPECT_FALSE(parse_state(text)) << text;
    EXPECT_EQ(parse_state("5: ACTIVE_DEFER\n"), "active_defer");
}

TEST(rdma_probe, more_ports_than_a_fact_holds_are_cut_and_said_to_be) {
    machines::scratch_tree tree;
    constexpr int k_ports = 350;
    for (int i = 0; i < k_ports; ++i)
        tree.write("sys/class/infiniband/" + std::string(200, 'x') + std::to_string(1000 + i) + "/ports/1/state",
                   "4: ACTIVE");
    const auto facts = facts_of(tree);
    const auto list = value_of(facts, "rdma").as_array();
    EXPECT_GT(list.size(), 200u);
    EXPECT_LT(machines::json::serialize(list).size(), 64u * 1024);
    const std::string detail(facts.at("rdma").at("detail").as_string());
    EXPECT_EQ(detail, "cut: " + std::to_string(k_ports - list.size()) + " more");
    EXPECT_EQ(facts.at("rdma").at("confidence"), 50);
}

}  // namespace
}  // namespace sigrun::rdma
