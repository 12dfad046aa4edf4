// Links, addresses and default routes of this network name space, by rtnetlink. Nothing leaves the machine.
#include "live.hpp"

#include <libmnl/libmnl.h>

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cerrno>
#include <memory>

namespace sigrun::network {
namespace {

constexpr std::size_t k_max_links = 4096, k_max_addresses = 16'384, k_max_defaults = 64;
constexpr std::size_t k_max_messages = 200'000;  // a router may have a million routes

struct closer {
    void operator()(mnl_socket* s) const noexcept { mnl_socket_close(s); }
};
using socket_ptr = std::unique_ptr<mnl_socket, closer>;

/// The attributes of a message by type; none that is read here has a higher one.
class attributes {
public:
    template <class Header>
    explicit attributes(const nlmsghdr* message, const Header*) {
        mnl_attr_parse(message, sizeof(Header), &take, &table_);
    }
    explicit attributes(const nlattr* nest) { mnl_attr_parse_nested(nest, &take, &table_); }

    std::string text(std::size_t type) const {
        const nlattr* a = table_[type];
        return a && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0 ? std::string(mnl_attr_get_str(a)) : std::string();
    }
    std::string bytes(std::size_t type) const {
        const nlattr* a = table_[type];
        return a ? std::string(static_cast<const char*>(mnl_attr_get_payload(a)), mnl_attr_get_payload_len(a))
                 : std::string();
    }
    std::optional<std::uint32_t> u32(std::size_t type) const {
        const nlattr* a = table_[type];
        return a && mnl_attr_validate(a, MNL_TYPE_U32) == 0 ? std::optional(mnl_attr_get_u32(a)) : std::nullopt;
    }
    const nlattr* get(std::size_t type) const { return table_[type]; }

private:
    static constexpr std::size_t k_types = 64;
    static int take(const nlattr* a, void* table) {
        const auto type = mnl_attr_get_type(a);
        if (type < k_types) (*static_cast<std::array<const nlattr*, k_types>*>(table))[type] = a;
        return MNL_CB_OK;
    }
    std::array<const nlattr*, k_types> table_{};
};

std::string address_text(int family, const std::string& bytes) {
    char room[INET6_ADDRSTRLEN] = {};
    if (bytes.size() != (family == AF_INET ? 4u : 16u)) return {};
    return ::inet_ntop(family, bytes.data(), room, sizeof room) ? std::string(room) : std::string();
}

struct reading {
    net_tables tables;
    std::size_t messages = 0;
    std::uint8_t family = 0;  // that was asked for
};

int take_link(const nlmsghdr* message, reading& to) {
    if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(ifinfomsg)) return MNL_CB_OK;
    const auto* head = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    if (head->ifi_family != AF_UNSPEC) return MNL_CB_OK;
    const attributes a(message, head);
    net_link link;
    link.index = static_cast<std::uint32_t>(head->ifi_index);
    link.name = a.text(IFLA_IFNAME);
    link.type = head->ifi_type;
    link.flags = head->ifi_flags;
    link.mtu = a.u32(IFLA_MTU).value_or(0);
    link.address = a.bytes(IFLA_ADDRESS);
    if (const auto state = a.bytes(IFLA_OPERSTATE); state.size() == 1)
        link.operstate = static_cast<std::uint8_t>(state[0]);
    if (const nlattr* info = a.get(IFLA_LINKINFO)) link.kind = attributes(info).text(IFLA_INFO_KIND);
    if (!link.name.empty() && to.tables.links.size() < k_max_links) to.tables.links.push_back(std::move(link));
    return MNL_CB_OK;
}

int take_address(const nlmsghdr* message, reading& to) {
    if (message->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(message) < sizeof(ifaddrmsg)) return MNL_CB_OK;
    const auto* head = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
    if (head->ifa_family != AF_INET && head->ifa_family != AF_INET6) return MNL_CB_OK;
    const attributes a(message, head);
    net_address address;
    address.index = head->ifa_index;
    address.family = head->ifa_family;
    address.prefix = head->ifa_prefixlen;
    address.scope = head->ifa_scope;
    address.flags = a.u32(IFA_FLAGS).value_or(head->ifa_flags);
    // On a point-to-point link IFA_ADDRESS is the other end's.
    const auto local = a.bytes(IFA_LOCAL);
    address.text = address_text(head->ifa_family, local.empty() ? a.bytes(IFA_ADDRESS) : local);
    if (!address.text.empty() && to.tables.addresses.size() < k_max_addresses)
        to.tables.addresses.push_back(std::move(address));
    return MNL_CB_OK;
}

int take_route(const nlmsghdr* message, reading& to) {
    if (message->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(message) < sizeof(rtmsg)) return MNL_CB_OK;
    const auto* head = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (head->rtm_dst_len != 0 || head->rtm_type != RTN_UNICAST || (head->rtm_flags & RTM_F_CLONED)) return MNL_CB_OK;
    if (head->rtm_family != to.family || to.tables.defaults.size() == k_max_defaults) return MNL_CB_OK;
    const attributes a(message, head);
    if (a.u32(RTA_TABLE).value_or(head->rtm_table) != RT_TABLE_MAIN) return MNL_CB_OK;
    net_route route;
    route.family = head->rtm_family;
    route.metric = a.u32(RTA_PRIORITY).value_or(0);
    route.source = address_text(head->rtm_family, a.bytes(RTA_PREFSRC));
    route.index = a.u32(RTA_OIF).value_or(0);
    // Several gateways at once: the first stands for all.
    if (const nlattr* hops = a.get(RTA_MULTIPATH);
        route.index == 0 && hops && mnl_attr_get_payload_len(hops) >= sizeof(rtnexthop))
        route.index =
            static_cast<std::uint32_t>(static_cast<const rtnexthop*>(mnl_attr_get_payload(hops))->rtnh_ifindex);
    if (route.index != 0) to.tables.defaults.push_back(std::move(route));
    return MNL_CB_OK;
}

template <int (*Take)(const nlmsghdr*, reading&)>
int counted(const nlmsghdr* message, void* to) {
    auto& all = *static_cast<reading*>(to);
    if (++all.messages > k_max_messages) {
        errno = E2BIG;
        return MNL_CB_ERROR;
    }
    return Take(message, all);
}

/// 0 or an errno. What a table said before it changed under the reader (EINTR) is thrown away by whoever calls.
int dump(mnl_socket* nl, std::uint16_t type, std::uint8_t family, std::size_t header, mnl_cb_t take, reading& to) {
    alignas(nlmsghdr) char room[64 * 1024];
    static thread_local unsigned sequence = 0;
    nlmsghdr* request = mnl_nlmsg_put_header(room);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = ++sequence;
    // The family is the first byte of each of the headers; the rest stays 0.
    *static_cast<std::uint8_t*>(mnl_nlmsg_put_extra_header(request, header)) = family;
    to.family = family;
    if (mnl_socket_sendto(nl, request, request->nlmsg_len) < 0) return errno;
    for (;;) {
        const auto n = mnl_socket_recvfrom(nl, room, sizeof room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        const int more = mnl_cb_run(room, static_cast<std::size_t>(n), sequence, mnl_socket_get_portid(nl), take, &to);
        if (more < 0) return errno;
        if (more == MNL_CB_STOP) return 0;
    }
}

int read_all(reading& to) {
    const socket_ptr nl(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!nl) return errno;
    if (mnl_socket_bind(nl.get(), 0, MNL_SOCKET_AUTOPID) != 0) return errno;
    if (int e = dump(nl.get(), RTM_GETLINK, AF_UNSPEC, sizeof(ifinfomsg), &counted<take_link>, to)) return e;
    if (int e = dump(nl.get(), RTM_GETADDR, AF_UNSPEC, sizeof(ifaddrmsg), &counted<take_address>, to)) return e;
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
        const int e = dump(nl.get(), RTM_GETROUTE, family, sizeof(rtmsg), &counted<take_route>, to);
        if (e != 0 && e != EOPNOTSUPP && e != EAFNOSUPPORT)
            return e;  // a kernel without that family has no routes of it
    }
    return 0;
}

}  // namespace

net_tables read_netlink() {
    for (int look = 0;; ++look) {
        reading all;
        all.tables.error = read_all(all);
        if (all.tables.error == EINTR && look < 2) continue;  // a table changed while it was read
        if (all.tables.error != 0) return {.error = all.tables.error, .links = {}, .addresses = {}, .defaults = {}};
        return std::move(all.tables);
    }
}

}  // namespace sigrun::network
