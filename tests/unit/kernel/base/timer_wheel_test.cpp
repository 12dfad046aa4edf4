#include "kernel/base/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace {

using namespace std::chrono_literals;
using sigrun::manual_clock;
using sigrun::timer_wheel;

struct alarm : std::enable_shared_from_this<alarm>, sigrun::timer_node {
    explicit alarm(timer_wheel& w) : wheel(w) {}
    ~alarm() override { wheel.disarm(*this); }
    std::shared_ptr<void> pin() noexcept override { return weak_from_this().lock(); }
    void on_timer() override {
        ++fired;
        if (then) then();
    }
    timer_wheel& wheel;
    std::atomic<int> fired{0};
    std::function<void()> then;
};

struct fixture {
    manual_clock clock;
    timer_wheel wheel{clock, 10ms};
    void pass(std::chrono::nanoseconds by) {
        clock.advance(by);
        wheel.advance();
    }
};

TEST(timer_wheel, fires_once_at_its_deadline_and_not_before) {
    fixture f;
    auto a = std::make_shared<alarm>(f.wheel);
    f.wheel.arm(*a, f.clock.now() + 100ms);
    f.pass(90ms);
    EXPECT_EQ(a->fired, 0);
    f.pass(30ms);
    EXPECT_EQ(a->fired, 1);
    f.pass(1s);
    EXPECT_EQ(a->fired, 1);
}

TEST(timer_wheel, a_deadline_beyond_one_turn_of_the_wheel_waits_for_its_turn) {
    fixture f;
    auto a = std::make_shared<alarm>(f.wheel);
    f.wheel.arm(*a, f.clock.now() + 60s);  // 6,000 ticks, 512 buckets
    for (int i = 0; i < 590; ++i) f.pass(100ms);
    EXPECT_EQ(a->fired, 0);
    for (int i = 0; i < 20; ++i) f.pass(100ms);
    EXPECT_EQ(a->fired, 1);
}

TEST(timer_wheel, a_long_pause_fires_everything_that_is_due) {
    fixture f;
    std::vector<std::shared_ptr<alarm>> all;
    for (int i = 0; i < 2000; ++i) {
        all.push_back(std::make_shared<alarm>(f.wheel));
        f.wheel.arm(*all.back(), f.clock.now() + i * 10ms);
    }
    f.pass(1h);
    for (const auto& a : all) EXPECT_EQ(a->fired, 1);
}

TEST(timer_wheel, arming_again_moves_the_deadline) {
    fixture f;
    auto a = std::make_shared<alarm>(f.wheel);
    f.wheel.arm(*a, f.clock.now() + 50ms);
    f.wheel.arm(*a, f.clock.now() + 500ms);
    f.pass(200ms);
    EXPECT_EQ(a->fired, 0);
    f.pass(400ms);
    EXPECT_EQ(a->fired, 1);
}

TEST(timer_wheel, a_disarmed_timer_stays_silent_and_can_be_armed_from_its_own_callback) {
    fixture f;
    auto a = std::make_shared<alarm>(f.wheel);
    f.wheel.arm(*a, f.clock.now() + 50ms);
    f.wheel.disarm(*a);
    f.pass(1s);
    EXPECT_EQ(a->fired, 0);
    a->then = [&, raw = a.get()] {
        if (raw->fired < 3) f.wheel.arm(*raw, f.clock.now() + 20ms);
    };
    f.wheel.arm(*a, f.clock.now());
    for (int i = 0; i < 20; ++i) f.pass(20ms);
    EXPECT_EQ(a->fired, 3);
}

TEST(timer_wheel, owners_may_die_while_the_wheel_turns) {
    fixture f;
    std::atomic<bool> stop{false};
    std::thread turner([&] {
        while (!stop) f.pass(1ms);
    });
    for (int i = 0; i < 20'000; ++i) {
        auto a = std::make_shared<alarm>(f.wheel);
        f.wheel.arm(*a, f.clock.now() + std::chrono::milliseconds(i % 5));
    }
    stop = true;
    turner.join();
}

}  // namespace
