// The probe against other programs that look at the same machine, also in a network name space made for it.
#include "calls.hpp"
#include "fixtures/machines/other_tools.hpp"

#include <sched.h>

#include <thread>

namespace sigrun::network {
namespace {

using machines::json_of;
using machines::record_of;
using machines::value_of;

machines::fact_map live_facts() {
    return machines::facts_below("", [](auto& root, auto& run) { collect(root, live_calls(), run); });
}

/// Links, addresses and routes as `ip` tells them.
void expect_as_ip_says(const machines::fact_map& facts) {
    const auto links = json_of("ip -j -d addr"), found = value_of(facts, "nic");
    ASSERT_TRUE(found.is_array()) << facts.at("nic");
    EXPECT_EQ(found.as_array().size(), links.as_array().size());
    bool v4 = false, v6 = false;
    for (const auto& item : links.as_array()) {
        const auto& theirs = item.as_object();
        const auto& ours = record_of(found, "name", theirs.at("ifname").as_string());
        EXPECT_EQ(ours.at("mtu").to_number<int>(), theirs.at("mtu").to_number<int>()) << ours;
        const auto flags = machines::json::serialize(theirs.at("flags"));
        const bool carrier = flags.find("\"LOWER_UP\"") != flags.npos, up = flags.find("\"UP\"") != flags.npos;
        std::string state(theirs.at("operstate").as_string());
        for (char& c : state) c = static_cast<char>(std::tolower(c));
        if (state == "unknown") state = up && carrier ? "up" : "down";
        EXPECT_EQ(ours.at("state").as_string(), state) << ours;
        const auto* info = theirs.if_contains("linkinfo");
        const auto* kind = info ? info->as_object().if_contains("info_kind") : nullptr;
        if (kind) {
            EXPECT_EQ(ours.at("kind"), *kind) << ours;
        }
        std::set<std::string> wanted, got;
        for (const auto& a : theirs.at("addr_info").as_array()) {
            const std::string local(a.at("local").as_string());
            wanted.insert(local + "/" + std::to_string(a.at("prefixlen").to_number<int>()));
            const auto scope = a.at("scope").as_string();
            if (up && scope == "global" && theirs.at("ifname") != "lo") (a.at("family") == "inet" ? v4 : v6) = true;
        }
        for (const auto& a : ours.at("addresses").as_array()) got.emplace(a.as_string());
        EXPECT_EQ(got, wanted) << ours;
    }
    EXPECT_EQ(value_of(facts, "net.ipv4"), v4);
    EXPECT_EQ(value_of(facts, "net.ipv6"), v6);
    auto routes = json_of("ip -j route show default");
    const bool four = !routes.as_array().empty();
    if (!four) routes = json_of("ip -j -6 route show default");
    if (routes.as_array().empty()) {
        EXPECT_EQ(machines::status_of(facts, "net.default_if"), "absent");
        return;
    }
    EXPECT_EQ(value_of(facts, "net.default_if"), routes.at(0).at("dev"));
    // Which source the kernel would take; no packet is sent for the question.
    const auto chosen = json_of(four ? "ip -j route get 203.0.113.1" : "ip -j route get 2001:db8:ffff::1");
    EXPECT_EQ(value_of(facts, "net.egress_ip"), chosen.at(0).at("prefsrc"));
}

TEST(mission_D9, interfaces_are_those_of_ip_on_this_machine) { expect_as_ip_says(live_facts()); }

TEST(mission_D9, drivers_are_those_of_ethtool_on_this_machine) {
    const auto found = value_of(live_facts(), "nic");
    for (const auto& item : found.as_array()) {
        const auto& ours = item.as_object();
        const std::string name(ours.at("name").as_string());
        // Others are software, and are told by their kind.
        if (const auto kind = ours.at("kind").as_string(); kind != "ethernet" && kind != "loopback" && kind != "wifi")
            continue;
        const auto text = machines::output_of("ethtool -i " + name + " 2>/dev/null || true");
        const auto driver = sdk::field(text, "driver");
        EXPECT_EQ(driver.value_or(""), ours.contains("driver") ? std::string_view(ours.at("driver").as_string()) : "")
            << name;
    }
}

TEST(mission_D9, interfaces_that_come_and_go_are_those_of_ip) {
    std::string skipped;
    std::thread([&] {  // a thread's children share its network name space
        if (::unshare(CLONE_NEWNET) != 0) {
            skipped = "no network name space may be made here";
            return;
        }
        expect_as_ip_says(live_facts());  // only lo, and down
        try {
            machines::output_of("ip link set lo up");
            machines::output_of("ip link add v0 type veth peer name v1");
        } catch (const std::exception& e) {
            skipped = e.what();
            return;
        }
        machines::output_of(
            "ip addr add 192.0.2.2/24 dev v0; ip addr add 192.0.2.3/24 dev v0; ip addr add 2001:db8::2/64 dev v0 "
            "nodad");
        machines::output_of("ip link set v0 up; ip link set v1 up; ip route add default via 192.0.2.1 src 192.0.2.3");
        expect_as_ip_says(live_facts());
        machines::output_of("ip route del default; ip addr flush dev v0 scope global; ip link del v0");
        expect_as_ip_says(live_facts());
    })
        .join();
    if (!skipped.empty()) GTEST_SKIP() << skipped;
}

}  // namespace
}  // namespace sigrun::network
