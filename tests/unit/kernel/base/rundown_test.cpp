#include "kernel/base/rundown.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sigrun {
namespace {

TEST(rundown, lets_nobody_in_once_it_is_closed) {
    rundown way;
    {
        rundown::pass in(way), nested(way);
        EXPECT_TRUE(in && nested);
    }
    way.close();
    EXPECT_FALSE(rundown::pass(way));
    way.close();
}

TEST(rundown, closing_waits_for_all_who_are_in) {
    for (int round = 0; round < 50; ++round) {
        rundown way;
        std::atomic<int> inside{0}, entered{0};
        std::atomic<bool> over{false};
        std::vector<std::thread> callers;
        for (int i = 0; i < 3; ++i)
            callers.emplace_back([&] {
                while (!over) {
                    rundown::pass in(way);
                    if (!in) continue;
                    ++inside;
                    ++entered;
                    std::this_thread::yield();
                    --inside;
                }
            });
        while (entered < 3) std::this_thread::yield();
        way.close();
        EXPECT_EQ(inside, 0);
        const int then = entered;
        over = true;
        for (auto& each : callers) each.join();
        EXPECT_EQ(entered, then);
    }
}

}  // namespace
}  // namespace sigrun
