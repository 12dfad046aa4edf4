// How the machine reaches others, as far as it can be told without a packet.
#include "network_probe.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sigrun::network {
namespace {

const net_link* link_of(const net_tables& tables, std::uint32_t index) {
    for (const auto& l : tables.links)
        if (l.index == index) return &l;
    return nullptr;
}

/// An address others can be reached from: not of the machine or the link alone, and not on the way out or in.
bool usable(const net_address& a) noexcept {
    return (a.scope == RT_SCOPE_UNIVERSE || a.scope == RT_SCOPE_SITE) &&
           !(a.flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
}

bool reaches_out(const net_tables& tables, int family) {
    for (const auto& a : tables.addresses) {
        const auto* link = link_of(tables, a.index);
        if (a.family == family && usable(a) && link && (link->flags & IFF_UP) && !(link->flags & IFF_LOOPBACK))
            return true;
    }
    return false;
}

/// The one that the kernel would take: version 4 before 6, then the lowest metric.
const net_route* best(const net_tables& tables) {
    const net_route* found = nullptr;
    const auto rank = [](const net_route& r) { return std::pair(r.family == AF_INET ? 0 : 1, r.metric); };
    for (const auto& r : tables.defaults)
        if (link_of(tables, r.index) && (!found || rank(r) < rank(*found))) found = &r;
    return found;
}

std::string source_of(const net_tables& tables, const net_route& route) {
    if (!route.source.empty()) return route.source;
    const net_address* found = nullptr;
    // The first that is not deprecated; IFA_F_SECONDARY is the same bit as IFA_F_TEMPORARY.
    const auto rank = [](const net_address& a) {
        return std::pair((a.flags & IFA_F_DEPRECATED) != 0, (a.flags & IFA_F_SECONDARY) != 0);
    };
    for (const auto& a : tables.addresses)
        if (a.family == route.family && a.index == route.index && usable(a) && (!found || rank(a) < rank(*found)))
            found = &a;
    return found ? found->text : std::string();
}

}  // namespace

void read_routes(const machine_calls& calls, const net_tables& tables, sdk::fact_writer& facts) {
    const sdk::fact_info info{.source = "rtnetlink", .volatility = "slow", .ttl_s = 60};
    if (!calls.tables || tables.error != 0) {
        auto why = info;
        char room[128] = {};
        why.detail = calls.tables ? strerror_r(tables.error, room, sizeof room) : "not told by a file";
        const auto status = calls.tables ? sdk::status_of_errno(tables.error) : sdk::read_status::absent;
        for (auto key : {"net.default_if", "net.ipv4", "net.ipv6", "net.egress_ip"})
            facts.none(key, sdk::fact_writer::word(status), why);
        return;
    }
    auto derived = info;
    derived.method = "derived";
    facts.ok("net.ipv4", reaches_out(tables, AF_INET), derived);
    facts.ok("net.ipv6", reaches_out(tables, AF_INET6), derived);
    const auto* route = best(tables);
    auto none = info;
    none.detail = "no default route";
    if (route)
        facts.ok("net.default_if", link_of(tables, route->index)->name, info);
    else
        facts.none("net.default_if", "absent", none);
    derived.unique = none.unique = true;
    // What others see may be another one: only they can tell.
    if (const auto source = route ? source_of(tables, *route) : std::string(); !source.empty()) {
        facts.ok("net.egress_ip", source, derived);
    } else {
        if (route) none.detail = "no address on the interface of the default route";
        facts.none("net.egress_ip", "absent", none);
    }
}

}  // namespace sigrun::network
