#include "kernel/base/rare.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sigrun {
namespace {

TEST(rare, takes_the_room_of_a_pointer_and_reads_as_empty) {
    rare<std::vector<int>> r;
    EXPECT_EQ(sizeof r, sizeof(void*));
    EXPECT_TRUE(r->empty());
    EXPECT_EQ(*r, std::vector<int>());
    r.make().push_back(3);
    EXPECT_EQ(*r, std::vector<int>{3});
    r.make().push_back(4);
    EXPECT_EQ(r->size(), 2u);
}

TEST(rare, what_is_taken_is_not_there_any_more) {
    rare<std::vector<int>> r;
    EXPECT_TRUE(r.take().empty());
    r.make() = {1, 2};
    EXPECT_EQ(r.take(), (std::vector<int>{1, 2}));
    EXPECT_TRUE(r->empty());
    r.make().push_back(5);
    r.reset();
    EXPECT_TRUE(r->empty());
}

TEST(mostly_fixed_text, holds_fixed_ones_without_a_copy_and_others_as_their_own) {
    static constexpr std::string_view k_fixed = "waits: no runner matches";
    mostly_fixed_text t;
    EXPECT_TRUE(t.empty());
    t = fixed_text(k_fixed);
    EXPECT_EQ(t.view().data(), k_fixed.data());
    EXPECT_EQ(t.text(), k_fixed);
    t = std::string("its own");
    EXPECT_EQ(t.view(), "its own");
    t = fixed_text(k_fixed);
    EXPECT_EQ(t.view(), k_fixed);
    t.clear();
    EXPECT_TRUE(t.empty());
    t = std::string();
    EXPECT_TRUE(t.empty());
    EXPECT_EQ(t.text(), "");
}

}  // namespace
}  // namespace sigrun
