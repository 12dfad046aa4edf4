// What the operator says about connections that are opened.
#pragma once

#include "kernel/config/settings.hpp"
#include "kernel/net/name_lookup.hpp"
#include "kernel/net/proxy_rules.hpp"
#include "kernel/net/tls_context.hpp"

#include <cstddef>
#include <span>

namespace sigrun {

/// What can be changed while connections are opened.
struct net_policy {
    proxy_rules proxies;
    tls_client_options tls;
};

struct net_options {
    std::size_t max_dials = 4096;                      // at once
    nanoseconds dial_time = std::chrono::seconds(30);  // for a dial without a deadline
    name_lookup::resolver resolver = name_lookup::system_resolver();
    net_policy policy{};
};

/// The options of [net], and of [tls]: what is dialled, and what is accepted.
std::span<const sigrun_opt> net_option_table() noexcept;
std::span<const sigrun_opt> tls_server_option_table() noexcept;

/// From the sections [net] and [tls] as they are written; what is not there has its default. Files are not read.
result<net_policy> read_net_policy(const settings& config);
/// From a [tls] section that was bound to the server's table.
result<tls_server_options> read_tls_server(const bound_section& tls);

}  // namespace sigrun
