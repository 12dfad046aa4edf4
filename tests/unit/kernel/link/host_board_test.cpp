#include "kernel/link/fleet.hpp"

#include <gtest/gtest.h>

#include <set>

namespace {

using namespace sigrun;

member_ptr make() {
    runner_identity who;
    who.uid = id::make();
    return std::make_shared<member>(std::make_shared<runner>(std::move(who)));
}

std::set<member_ptr> beside(const host_board& hosts, const member_ptr& m) {
    const auto all = hosts.others_beside(*m);
    return {all.begin(), all.end()};
}

TEST(host_board, runners_of_one_machine_know_each_other) {
    host_board hosts;
    const auto a = make(), b = make(), c = make(), d = make();
    hosts.put(a, "boot-1");
    hosts.put(b, "boot-1");
    hosts.put(c, "boot-2");
    hosts.put(d, "");
    EXPECT_EQ(beside(hosts, a), std::set{b});
    EXPECT_EQ(beside(hosts, b), std::set{a});
    EXPECT_TRUE(beside(hosts, c).empty());
    EXPECT_TRUE(beside(hosts, d).empty()) << "unknown is not the same as unknown";
}

TEST(host_board, a_runner_that_moves_or_goes_leaves_its_neighbours) {
    host_board hosts;
    const auto a = make(), b = make(), c = make();
    for (const auto& m : {a, b, c}) hosts.put(m, "boot-1");
    hosts.put(b, "boot-2");
    EXPECT_EQ(beside(hosts, a), std::set{c});
    EXPECT_TRUE(beside(hosts, b).empty());
    hosts.put(b, "boot-1");
    hosts.put(c, "");
    EXPECT_EQ(beside(hosts, a), std::set{b});
    hosts.remove(*b);
    hosts.remove(*b);
    EXPECT_TRUE(beside(hosts, a).empty());
}

TEST(host_board, one_that_ended_without_a_word_is_not_told_of) {
    host_board hosts;
    const auto a = make();
    hosts.put(a, "boot-1");
    hosts.put(make(), "boot-1");
    EXPECT_TRUE(beside(hosts, a).empty());
}

TEST(host_board, no_more_than_a_few_are_told) {
    host_board hosts;
    std::vector<member_ptr> all;
    for (std::size_t i = 0; i < 2 * host_board::k_most; ++i) {
        all.push_back(make());
        hosts.put(all.back(), "boot-1");
    }
    EXPECT_EQ(hosts.others_beside(*all[0]).size(), host_board::k_most);
}

TEST(host_board, the_machine_is_that_of_the_boot) {
    const auto sheet = [](fact_status status, json::value value) {
        fact f;
        f.key = "host.boot_id";
        f.status = status;
        f.value = std::move(value);
        f.unique = true;
        return fact_sheet::of(capability_document({f}));
    };
    EXPECT_EQ(host_of(*sheet(fact_status::ok, "a1b2")), "a1b2");
    EXPECT_EQ(host_of(*sheet(fact_status::denied, nullptr)), "");
    EXPECT_EQ(host_of(*fact_sheet::of(capability_document(std::vector<fact>{}))), "");
}

}  // namespace
