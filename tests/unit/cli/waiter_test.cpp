#include "kernel/app/sigrun/waiter.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <csignal>
#include <thread>

namespace sigrun::cli {
namespace {

using namespace std::chrono_literals;

time_point in(nanoseconds when) { return std::chrono::steady_clock::now() + when; }

TEST(waiter, wakes_from_another_thread_and_before_the_wait) {
    waiter w;
    w.wake();
    EXPECT_EQ(w.wait_until(in(30s)), waiter::outcome::woken);
    std::thread other([&] { w.wake(); });
    EXPECT_EQ(w.wait_until(in(30s)), waiter::outcome::woken);
    other.join();
}

TEST(waiter, a_past_deadline_times_out_at_once) {
    waiter w;
    EXPECT_EQ(w.wait_until(in(-1s)), waiter::outcome::timed_out);
    EXPECT_EQ(w.wait_until(in(1ms)), waiter::outcome::timed_out);
}

TEST(waiter, signals_interrupt_and_do_not_end_the_process) {
    waiter w;
    ASSERT_EQ(::kill(::getpid(), SIGINT), 0);
    EXPECT_EQ(w.wait_until(in(30s)), waiter::outcome::interrupted);
    EXPECT_EQ(w.signal(), SIGINT);
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    EXPECT_EQ(w.wait_until(in(30s)), waiter::outcome::interrupted);
    EXPECT_EQ(w.signal(), SIGTERM);
}

}  // namespace
}  // namespace sigrun::cli
