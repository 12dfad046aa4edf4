#include "kernel/app/sigrun/fact_changes.hpp"

#include <gtest/gtest.h>

namespace sigrun::cli {
namespace {

fact made(const std::string& key, json::value value, fact_status status = fact_status::ok) {
    fact f;
    f.key = key;
    f.value = std::move(value);
    f.status = status;
    return f;
}
std::vector<std::string> lines(const std::vector<fact>& before, const std::vector<fact>& after) {
    std::vector<std::string> out;
    for (const auto& change : changes_between(capability_document(before), capability_document(after)))
        out.push_back(line_of(change));
    return out;
}
using strings = std::vector<std::string>;

TEST(fact_changes, tell_what_came_what_went_and_what_is_another) {
    EXPECT_EQ(lines({made("a.gone", 1), made("b.same", 2), made("memory.x_bytes", 1024)},
                    {made("b.same", 2), made("c.new", "x"), made("memory.x_bytes", 2048)}),
              (strings{"- a.gone 1", "+ c.new x", "~ memory.x_bytes 1.0 KiB -> 2.0 KiB"}));
    EXPECT_TRUE(lines({made("a", 1)}, {made("a", 1)}).empty());
}

TEST(fact_changes, of_a_list_of_records_only_the_fields) {
    EXPECT_EQ(
        lines({made("nic", json::parse(R"([{"name":"lo"},{"name":"eth0","state":"up","mtu":1500}])"))},
              {made("nic",
                    json::parse(R"([{"name":"lo"},{"name":"eth0","state":"down","mtu":1500,"speed_bps":1000}])"))}),
        (strings{"+ nic[1].speed_bps 1 kb/s", "~ nic[1].state up -> down"}));
    EXPECT_EQ(lines({made("os.id_like", json::array{"a"})}, {made("os.id_like", json::array{"a", "b"})}),
              (strings{"~ os.id_like a -> a b"}));
}

TEST(fact_changes, a_value_that_was_lost_says_why) {
    auto denied = made("a", nullptr, fact_status::denied);
    denied.detail = "Permission denied";
    EXPECT_EQ(lines({made("a", 1)}, {denied}), (strings{"~ a 1 -> (denied: Permission denied)"}));
    EXPECT_EQ(lines({made("a", 1)}, {made("a", 1, fact_status::stale)}), (strings{"~ a 1 -> 1 (stale)"}));
    const auto change = changes_between(capability_document({made("a", 1)}), capability_document({denied})).front();
    const auto shown = to_json(change, 0);
    EXPECT_EQ(shown.at("old"), 1);
    EXPECT_EQ(shown.at("new"), nullptr);
    EXPECT_EQ(shown.at("status"), "(denied: Permission denied)");
}

}  // namespace
}  // namespace sigrun::cli
