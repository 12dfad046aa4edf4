#include "kernel/job/job_deadlines.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

const time_point k_soon{std::chrono::seconds(5)}, k_late{std::chrono::seconds(9)};

TEST(job_deadlines, none_is_set_at_first) {
    deadlines due;
    EXPECT_EQ(sizeof due, sizeof(void*));
    EXPECT_FALSE(due.has(deadline::run));
    EXPECT_EQ(due.at(deadline::hedge), time_point{});
    EXPECT_EQ(due.first_of({deadline::run, deadline::queue}), time_point::max());
    due[deadline::run] = {};
    due.clear({deadline::run});
    EXPECT_FALSE(due[deadline::run].is_set());
}

TEST(job_deadlines, each_is_its_own) {
    deadlines due;
    due[deadline::queue] = k_late;
    due[deadline::hedge] = k_soon;
    EXPECT_EQ(due.at(deadline::queue), k_late);
    EXPECT_EQ(due.at(deadline::hedge), k_soon);
    EXPECT_TRUE(due[deadline::hedge] < due.at(deadline::queue));
    EXPECT_TRUE(due[deadline::queue] <= k_late);
    EXPECT_FALSE(due.has(deadline::run));
    due[deadline::run] = due[deadline::offer] = k_soon;
    EXPECT_EQ(due.at(deadline::run), k_soon);
    EXPECT_EQ(due.at(deadline::offer), k_soon);
}

TEST(job_deadlines, the_first_of_those_that_count) {
    deadlines due;
    due[deadline::queue] = k_late;
    due[deadline::hedge] = k_soon;
    EXPECT_EQ(due.first_of({deadline::queue, deadline::hedge, deadline::run}), k_soon);
    EXPECT_EQ(due.first_of({deadline::queue, deadline::run}), k_late);
    due.clear({deadline::hedge, deadline::queue});
    EXPECT_EQ(due.first_of({deadline::queue, deadline::hedge}), time_point::max());
}

}  // namespace
}  // namespace sigrun
