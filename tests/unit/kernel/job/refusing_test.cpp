// How long a runner that refuses a signature is left in peace.
#include "kernel/job/job.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using std::chrono::seconds;

TEST(refusing, each_refusal_of_a_runner_leaves_it_out_for_twice_as_long_up_to_ten_minutes) {
    EXPECT_EQ(left_out_for(1), seconds(10));
    EXPECT_EQ(left_out_for(2), seconds(20));
    EXPECT_EQ(left_out_for(6), seconds(320));
    EXPECT_EQ(left_out_for(7), seconds(600));
    EXPECT_EQ(left_out_for(4'000'000'000), seconds(600));
    EXPECT_EQ(left_out_for(0), seconds(10));
}

}  // namespace
