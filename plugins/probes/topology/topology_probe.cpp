#include "topology_probe.hpp"

#include <hwloc.h>
#include <hwloc/distances.h>

#include <memory>

namespace sigrun::topology {
namespace {

using sdk::fact_info;

struct closer {
    void operator()(hwloc_topology_t t) const noexcept { hwloc_topology_destroy(t); }
};
using topology_ptr = std::unique_ptr<hwloc_topology, closer>;
constexpr std::string_view k_keys[] = {"numa.count",  "numa.nodes", "numa.max_distance",
                                       "cpu.sockets", "cpu.cores",  "cpu.l3_domains"};

std::string cpus_of(hwloc_obj_t object) {
    char room[4096];
    const int n = hwloc_bitmap_list_snprintf(room, sizeof room, object->cpuset);
    return n < 0 || static_cast<std::size_t>(n) >= sizeof room ? std::string() : std::string(room);
}

/// hwloc tells distances only where they differ; a single node still has one to itself.
std::uint64_t told_distance(const sdk::sysroot& root) {
    constexpr std::size_t k_max_nodes = 1024;
    const std::string folder = "/sys/devices/system/node";
    std::uint64_t max = 0;
    std::size_t n = 0;
    for (const auto& node : root.list(folder)) {
        if (!node.starts_with("node") || ++n > k_max_nodes) continue;
        const auto file = root.read(folder + "/" + node + "/distance", 64 * 1024);
        for (auto w : sdk::words(file.text)) max = std::max(max, sdk::parse_u64(w).value_or(0));
    }
    return max;
}

void nodes(const sdk::sysroot& root, hwloc_topology_t t, sdk::fact_writer& facts, const fact_info& info) {
    const int count = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE);
    std::vector<sdk::record> list;
    for (int i = 0; i < count; ++i) {
        hwloc_obj_t node = hwloc_get_obj_by_type(t, HWLOC_OBJ_NUMANODE, static_cast<unsigned>(i));
        if (!node || !node->attr) continue;
        list.push_back(sdk::record()
                           .add("id", node->os_index)
                           .add("cpus", cpus_of(node))
                           .add("memory_bytes", node->attr->numanode.local_memory));
    }
    const auto method = info;
    if (list.empty()) {
        facts.none("numa.count", "absent", method);
        facts.none("numa.nodes", "absent", method);
    } else {
        facts.ok("numa.count", list.size(), method);
        facts.ok("numa.nodes", sdk::records(list), method);
    }
    unsigned found = 1;
    hwloc_distances_s* distances = nullptr;
    std::uint64_t max = 0;
    if (hwloc_distances_get_by_name(t, "NUMALatency", &found, &distances, 0) == 0 && found > 0 && distances) {
        const std::size_t cells = static_cast<std::size_t>(distances->nbobjs) * distances->nbobjs;
        for (std::size_t i = 0; i < cells; ++i) max = std::max<std::uint64_t>(max, distances->values[i]);
        hwloc_distances_release(t, distances);
    }
    if (max) return facts.ok("numa.max_distance", max, method);
    max = told_distance(root);
    const fact_info told{.source = "/sys/devices/system/node/node*/distance",
                         .method = "derived",
                         .detail = max ? std::string_view() : std::string_view("no distances are told")};
    max ? facts.ok("numa.max_distance", max, told) : facts.none("numa.max_distance", "absent", told);
}

void count(hwloc_topology_t t, sdk::fact_writer& facts, std::string_view key, hwloc_obj_type_t type,
           const fact_info& info) {
    const int n = hwloc_get_nbobjs_by_type(t, type);
    auto absent = info;
    absent.detail = "the system does not tell";
    n > 0 ? facts.ok(key, n, info) : facts.none(key, "absent", absent);
}

/// Null: not loaded, with the reason in `status` and `detail`.
topology_ptr load(const sdk::sysroot& root, std::string_view& status, std::string& detail) {
    hwloc_topology_t raw = nullptr;
    status = "error";
    detail = "hwloc could not start";
    if (hwloc_topology_init(&raw) != 0) return nullptr;
    topology_ptr t(raw);
    if (!root.live()) {
        const auto xml = root.read("/topology.xml");
        status = sdk::fact_writer::word(xml.status);
        detail = "a recorded tree needs topology.xml: " + xml.why();
        if (!xml) return nullptr;
        status = "error";
        detail = "topology.xml is not a topology";
        if (hwloc_topology_set_xmlbuffer(raw, xml.text.c_str(), static_cast<int>(xml.text.size() + 1)) != 0)
            return nullptr;
    }
    // The whole machine, also processors this process may not use: cpu.effective_cores says what it may.
    hwloc_topology_set_flags(raw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    // I/O objects cost ten times the rest and are no business of this probe (they stay filtered out by
    // default).
    if (hwloc_topology_load(raw) != 0) return nullptr;
    return t;
}

}  // namespace

void collect(const sdk::sysroot& root, sdk::fact_writer& facts) {
    std::string_view status;
    std::string detail;
    const auto t = load(root, status, detail);
    if (!t) {
        for (auto key : k_keys) facts.none(key, status, {.source = "hwloc", .detail = detail});
        return;
    }
    const fact_info info{.source = "hwloc", .method = "derived"};
    count(t.get(), facts, "cpu.sockets", HWLOC_OBJ_PACKAGE, info);
    count(t.get(), facts, "cpu.cores", HWLOC_OBJ_CORE, info);
    count(t.get(), facts, "cpu.l3_domains", HWLOC_OBJ_L3CACHE, info);
    nodes(root, t.get(), facts, info);
}

}  // namespace sigrun::topology
