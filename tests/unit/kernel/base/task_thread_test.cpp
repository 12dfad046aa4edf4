#include "kernel/base/task_thread.hpp"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace {

using sigrun::task_thread;

TEST(task_thread, does_what_was_posted_in_order_before_it_stops_and_nothing_after) {
    std::vector<int> done;
    task_thread worker("test");
    for (int i = 0; i < 100; ++i) worker.post([&done, i] { done.push_back(i); });
    worker.stop();
    worker.post([&done] { done.push_back(-1); });
    ASSERT_EQ(done.size(), 100u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(done[static_cast<std::size_t>(i)], i);
}

TEST(task_thread, may_be_destroyed_by_its_own_task) {
    auto worker = std::make_shared<task_thread>("test");
    std::promise<void> last;
    auto* where = worker.get();
    std::promise<void> go;
    where->post([held = worker, wait = go.get_future().share(), &last] {
        wait.wait();
        last.set_value();
    });
    worker.reset();
    go.set_value();
    EXPECT_EQ(last.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
