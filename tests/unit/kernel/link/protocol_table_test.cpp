#include "kernel/link/protocol_table.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

TEST(protocol_table, a_name_keeps_its_id) {
    protocol_table table;
    EXPECT_EQ(table.add("valkyrie"), 0);
    EXPECT_EQ(table.add("grpc"), 1);
    EXPECT_EQ(table.add("valkyrie"), 0);
    EXPECT_EQ(table.size(), 2u);
    EXPECT_EQ(table.find("grpc"), 1);
    EXPECT_EQ(table.name(1), "grpc");
}

TEST(protocol_table, what_was_never_seen_has_no_id_and_no_name) {
    protocol_table table;
    EXPECT_EQ(table.find("http"), protocol_table::k_none);
    EXPECT_EQ(table.name(0), "unknown");
    EXPECT_EQ(table.name(protocol_table::k_none), "unknown");
}

TEST(protocol_table, a_full_table_takes_no_more_and_keeps_what_it_has) {
    protocol_table table;
    for (std::size_t i = 0; i < protocol_table::k_capacity; ++i)
        EXPECT_EQ(table.add("protocol " + std::to_string(i)), i);
    EXPECT_EQ(table.add("one too many"), protocol_table::k_none);
    EXPECT_EQ(table.find("one too many"), protocol_table::k_none);
    EXPECT_EQ(table.add("protocol 63"), 63);
    EXPECT_EQ(table.size(), protocol_table::k_capacity);
}

TEST(protocol_table, only_the_first_protocols_have_a_bit) {
    EXPECT_EQ(protocol_bit(0), 1);
    EXPECT_EQ(protocol_bit(14), 1 << 14);
    EXPECT_EQ(protocol_bit(15), 0);
    EXPECT_EQ(protocol_bit(40), 0);
    EXPECT_EQ(protocol_bit(protocol_table::k_none), 0);
}

TEST(protocol_table, threads_that_add_the_same_names_agree_while_others_read) {
    protocol_table table;
    constexpr std::size_t k_names = 40;
    auto name = [](std::size_t i) { return "a protocol with a name that is long: " + std::to_string(i); };
    std::atomic<bool> done{false};
    std::thread reader([&] {
        while (!done.load())
            for (std::size_t i = 0; i < k_names; ++i)
                if (auto id = table.find(name(i)); id != protocol_table::k_none) {
                    EXPECT_EQ(table.name(id), name(i));
                }
    });
    std::vector<std::vector<std::uint8_t>> ids(3);
    std::vector<std::thread> adders;
    for (std::size_t t = 0; t < ids.size(); ++t)
        adders.emplace_back([&, t] {
            ids[t].resize(k_names);
            for (std::size_t i = 0; i < k_names; ++i) {
                auto at = (i + t * 13) % k_names;  // each in an order of its own
                ids[t][at] = table.add(name(at));
            }
        });
    for (auto& a : adders) a.join();
    done = true;
    reader.join();
    EXPECT_EQ(table.size(), k_names);
    EXPECT_EQ(std::set<std::uint8_t>(ids[0].begin(), ids[0].end()).size(), k_names);
    for (const auto& seen : ids) EXPECT_EQ(seen, ids[0]);
}

}  // namespace
}  // namespace sigrun
