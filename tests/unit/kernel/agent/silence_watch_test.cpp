// When an attempt counts as silent. On the real clock, with limits that are short beside the deadlines of the test.
#include "kernel/agent/silence_watch.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace std::chrono_literals;

struct watched {
    boost::asio::io_context io;
    int told = 0;
    time_point told_at{};
    std::shared_ptr<silence_watch> watch;

    explicit watched(nanoseconds limit)
        : watch(std::make_shared<silence_watch>(io, limit, [this] {
              ++told;
              told_at = clock::system().now();
          })) {}
    // Until nothing is left to wait for, or it has taken too long.
    void run(nanoseconds most = 10s) { io.run_for(most); }
    // Something that happens meanwhile.
    void after(nanoseconds wait, std::function<void()> then) {
        auto timer = std::make_shared<boost::asio::steady_timer>(io, wait);
        timer->async_wait([timer, then = std::move(then)](auto) { then(); });
    }
};

TEST(silence_watch, tells_once_when_the_limit_is_over) {
    watched w(50ms);
    const auto began = clock::system().now();
    w.watch->begin();
    w.run();
    EXPECT_EQ(w.told, 1);
    EXPECT_GE(w.told_at - began, 50ms);
}

TEST(silence_watch, listens_only_from_the_beginning_on) {
    watched w(1ms);
    w.run(20ms);
    EXPECT_EQ(w.told, 0);
}

TEST(silence_watch, output_puts_it_off) {
    watched w(100ms);
    time_point last{};
    for (int i = 1; i <= 5; ++i)
        w.after(i * 50ms, [&] {
            w.watch->heard();
            last = clock::system().now();
        });
    w.watch->begin();
    w.run();
    EXPECT_EQ(w.told, 1);
    EXPECT_GE(w.told_at - last, 100ms);
}

TEST(silence_watch, the_time_in_which_output_is_held_back_does_not_count) {
    watched w(50ms);
    w.watch->begin();
    w.watch->hold(true);
    time_point free{};
    w.after(300ms, [&] {
        EXPECT_EQ(w.told, 0);
        w.watch->hold(false);
        free = clock::system().now();
    });
    w.run();
    EXPECT_EQ(w.told, 1);
    EXPECT_GE(w.told_at - free, 50ms);
}

TEST(silence_watch, says_nothing_after_the_end) {
    watched w(20ms);
    w.watch->begin();
    w.watch->end();
    w.run();
    EXPECT_EQ(w.told, 0);
}

}  // namespace
