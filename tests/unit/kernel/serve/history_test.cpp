#include "kernel/serve/history.hpp"

#include "kernel/base/json.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

// A tick longer than the step: timers fire at the first tick that is not before their time.
constexpr nanoseconds k_step = std::chrono::milliseconds(10'050);

/// A history of what the test says, on a clock that the test turns.
class history_of : public ::testing::Test {
protected:
    void SetUp() override {
        now_.at = time_.now();
        past_ = std::make_shared<history>(timers_,
                                          history::sources{[this] {
                                                               now_.at = time_.now();
                                                               return now_;
                                                           },
                                                           [] {
                                                               return std::vector<std::string>{"http", "grpc"};
                                                           },
                                                           [this] { return time_.wall_ns(); }},
                                          std::chrono::seconds(10));
        past_->start();
    }
    void TearDown() override { past_->stop(); }

    void pass(nanoseconds t) {
        for (; t > nanoseconds(0); t -= timers_.tick()) {
            time_.advance(std::min(t, timers_.tick()));
            timers_.advance();
        }
    }
    json::object told(nanoseconds window, std::vector<std::string> names = {}) {
        return *parse_object(past_->document(window, names));
    }
    static std::vector<double> values(const json::object& o, std::string_view name) {
        std::vector<double> out;
        for (const auto& v : o.at("series").at(name).as_array())
            out.push_back(v.is_null() ? -1 : v.to_number<double>());
        return out;
    }

    manual_clock time_;
    timer_wheel timers_{time_};
    history_reading now_;
    std::shared_ptr<history> past_;
};

TEST_F(history_of, counts_become_rates_and_sizes_stay_sizes) {
    now_.jobs.submitted = 50;
    now_.waiting = 7;
    now_.protocols[1].bytes_in = 1000;
    pass(k_step);
    now_.waiting = 3;
    pass(k_step);
    const auto o = told(std::chrono::hours(1));
    EXPECT_EQ(o.at("points"), 2);
    EXPECT_EQ(o.at("step_s"), 10);
    EXPECT_NEAR(values(o, "jobs.submitted")[0], 5, 0.1);
    EXPECT_EQ(values(o, "jobs.submitted")[1], 0);
    EXPECT_EQ(values(o, "jobs.waiting"), (std::vector<double>{7, 3}));
    EXPECT_NEAR(values(o, "protocols.grpc.bytes_in")[0], 100, 2);
    EXPECT_EQ(values(o, "jobs.total_p50"), (std::vector<double>{-1, -1}));  // no job ended
}

TEST_F(history_of, quantiles_are_those_of_the_step_alone) {
    latency_counts total;
    for (int i = 0; i < 1000; ++i) total.record(1'000'000);
    now_.jobs.total = total.snapshot();
    pass(k_step);
    total.record(40'000'000'000);
    now_.jobs.total = total.snapshot();
    pass(k_step);
    const auto o = told(std::chrono::hours(1));
    EXPECT_LE(values(o, "jobs.total_p99")[0], 0.001);
    EXPECT_GT(values(o, "jobs.total_p50")[1], 30);
}

TEST_F(history_of, the_last_hour_is_kept_in_steps_and_the_last_day_in_minutes) {
    const auto bytes = past_->bytes();
    for (int hour = 0; hour < 25; ++hour) {
        now_.waiting = static_cast<std::uint64_t>(hour);
        pass(std::chrono::hours(1));
    }
    const auto fine = told(std::chrono::hours(1)), coarse = told(std::chrono::hours(24));
    EXPECT_EQ(fine.at("points"), history::k_steps);
    EXPECT_EQ(coarse.at("points"), history::k_minutes);
    EXPECT_EQ(coarse.at("step_s"), 60);
    const auto waiting = values(coarse, "jobs.waiting");
    EXPECT_EQ(waiting.back(), 24);
    EXPECT_EQ(waiting.front(), 1);  // hour 0 is gone
    EXPECT_EQ(past_->bytes(), bytes);
    EXPECT_LT(bytes, 1u << 20);
    EXPECT_EQ(fine.at("memory_bytes"), bytes);
    // Point i ends at start + i steps.
    const auto end_ms = coarse.at("start_ms").to_number<std::int64_t>() + (history::k_minutes - 1) * 60'000;
    EXPECT_NEAR(static_cast<double>(end_ms), static_cast<double>(time_.wall_ns() / 1'000'000), 61'000);
}

TEST_F(history_of, time_in_which_nothing_was_looked_at_has_no_values) {
    pass(k_step);
    time_.advance(std::chrono::seconds(40));  // the machine stood still
    timers_.advance();
    const auto o = told(std::chrono::hours(1), {"jobs.waiting"});
    EXPECT_EQ(values(o, "jobs.waiting"), (std::vector<double>{0, -1, -1, -1, 0}));
    EXPECT_EQ(o.at("series").as_object().size(), 1u);
}

TEST_F(history_of, before_the_first_step_there_is_nothing) {
    const auto o = told(std::chrono::minutes(5));
    EXPECT_EQ(o.at("points"), 0);
    EXPECT_TRUE(values(o, "jobs.submitted").empty());
}

}  // namespace
}  // namespace sigrun
