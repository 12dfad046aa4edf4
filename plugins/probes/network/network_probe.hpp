// What the network probe reads: interfaces, how the machine reaches others, and what it is called. Pure but for the files
// below the sysroot and the call table.
#pragma once

#include "net_tables.hpp"

#include <sigrun/cpp/device_list.hpp>
#include <sigrun/cpp/procfs.hpp>

#include <functional>

namespace sigrun::network {

/// What is not a file; an empty function does not exist here (a recorded tree).
struct machine_calls {
    std::function<net_tables()> tables;                       // rtnetlink
    std::function<device_answer(const std::string&)> device;  // ethtool
    std::function<std::string(const char* name)> environment;
};
machine_calls live_calls();

void read_routes(const machine_calls& calls, const net_tables& tables, sdk::fact_writer& facts);
void read_names(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts);
void read_interfaces(const sdk::sysroot& root, const machine_calls& calls, const net_tables& tables,
                     sdk::probe_run& run);

/// A name server's address, a proxy's place or a line of hosts, as it may be published; nothing if it is none.
std::optional<std::string> proxy_without_secrets(std::string_view value);
std::vector<std::string> name_servers(std::string_view resolv_conf);
std::optional<std::string> name_in_hosts(std::string_view hosts, std::string_view host);
/// What drivers answer when they do not know: 0, 65535, 4294967295.
std::optional<std::uint64_t> known_speed_bps(std::uint32_t mbps) noexcept;

inline void collect(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run) {
    const auto tables = calls.tables ? calls.tables() : net_tables{};
    read_routes(calls, tables, run.facts());
    read_names(root, calls, run.facts());
    if (!run.go_on()) return;
    read_interfaces(root, calls, tables, run);
}

}  // namespace sigrun::network
