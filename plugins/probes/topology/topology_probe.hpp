// Sockets, cores, shared caches and NUMA nodes as hwloc sees them. All calls into hwloc are in
// topology_probe.cpp.
#pragma once

#include <sigrun/cpp/probe.hpp>
#include <sigrun/cpp/procfs.hpp>

namespace sigrun::topology {

/// The live machine, or the file topology.xml (lstopo --no-io topology.xml) at the top of a recorded tree.
void collect(const sdk::sysroot& root, sdk::fact_writer& facts);

}  // namespace sigrun::topology
