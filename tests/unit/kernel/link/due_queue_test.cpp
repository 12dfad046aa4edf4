#include "kernel/link/due_queue.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sigrun {
namespace {

using namespace std::chrono_literals;

class due : public testing::Test {
protected:
    boost::asio::io_context control_;
    std::shared_ptr<due_queue> queue_ = std::make_shared<due_queue>(control_, clock::system());
    time_point now() const { return clock::system().now(); }
};

TEST_F(due, what_is_due_earlier_runs_earlier_whatever_came_first) {
    std::string order;
    const auto began = now();
    queue_->at(began + 40ms, [&] { order += 'c'; });
    queue_->at(began + 20ms, [&] { order += 'b'; });
    queue_->at(began, [&] {
        order += 'a';
        queue_->at(began + 30ms, [&] { order += '-'; });
    });
    EXPECT_EQ(order, "");
    control_.run();
    EXPECT_EQ(order, "ab-c");
    EXPECT_GE(now() - began, 40ms);
}

TEST_F(due, what_waits_is_forgotten_at_stop_and_nothing_more_is_taken) {
    auto held = std::make_shared<int>(1);
    const std::weak_ptr<int> seen = held;
    queue_->at(now() + 1h, [held = std::move(held)] {});
    queue_->stop();
    EXPECT_TRUE(seen.expired());
    queue_->at(now(), [] { FAIL(); });
    control_.run();  // ends: no timer is left
}

TEST_F(due, tasks_from_several_threads_all_run_once_on_the_control_thread) {
    std::atomic<int> ran{0};
    auto work = boost::asio::make_work_guard(control_);
    std::thread control([&] { control_.run(); });
    std::vector<std::thread> askers;
    for (int t = 0; t < 4; ++t)
        askers.emplace_back([&] {
            for (int i = 0; i < 500; ++i)
                queue_->at(now() + std::chrono::microseconds(i % 50), [&, id = control.get_id()] {
                    EXPECT_EQ(std::this_thread::get_id(), id);
                    if (++ran == 2000) work.reset();
                });
        });
    for (auto& each : askers) each.join();
    control.join();
    EXPECT_EQ(ran, 2000);
}

}  // namespace
}  // namespace sigrun
