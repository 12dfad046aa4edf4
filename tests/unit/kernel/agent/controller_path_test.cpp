// What is said of the way to a controller, and measuring it over a real session.
#include "kernel/agent/controller_path.hpp"

#include "agent_rig.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <future>
#include <thread>

namespace sigrun::agent_test {
namespace {

constexpr std::int64_t k_now = 1'700'000'000'000'000'000;

path_figures found_well() {
    path_figures p;
    p.over = "valkyrie";
    for (int i = 1; i <= 20; ++i) p.round_trips.push_back(std::chrono::microseconds(100 * i));
    p.clock_ahead = std::chrono::milliseconds(-250);
    return p;
}

TEST(controller_path, median_and_99th_percentile_of_the_pings_and_the_clock) {
    const capability_document facts(path_facts(found_well(), k_now));
    EXPECT_EQ(facts.find("net.controller_rtt_us")->value, json::value(1000));
    EXPECT_EQ(facts.find("net.controller_rtt_p99_us")->value, json::value(2000));
    EXPECT_EQ(facts.find("net.clock_skew_ms")->value, json::value(-250));
    for (const auto& f : facts.facts()) {
        EXPECT_EQ(f.method, "measured");
        EXPECT_EQ(f.observed_ns, k_now);
        EXPECT_NE(f.source.find("valkyrie"), std::string::npos);
    }
    EXPECT_EQ(facts.find("net.controller_up_bps"), nullptr) << "not measured is not known";
}

TEST(controller_path, what_failed_says_why) {
    path_figures p;
    p.no_round_trips = "the link broke";
    p.no_clock = "not answered";
    p.up = make_problem(errc::forbidden, "not for you");
    p.down = make_problem(errc::timeout, "too slow");
    const capability_document facts(path_facts(p, k_now));
    EXPECT_EQ(facts.find("net.controller_rtt_us")->status, fact_status::error);
    EXPECT_EQ(facts.find("net.controller_rtt_us")->detail, "the link broke");
    EXPECT_EQ(facts.find("net.clock_skew_ms")->status, fact_status::error);
    EXPECT_EQ(facts.find("net.controller_up_bps")->status, fact_status::denied);
    EXPECT_EQ(facts.find("net.controller_down_bps")->status, fact_status::timeout);
}

TEST(controller_path, an_address_that_is_not_ours_was_translated_and_one_nobody_told_is_unknown) {
    auto p = found_well();
    EXPECT_EQ(capability_document(path_facts(p, k_now)).find("net.nat"), nullptr);
    p.seen_as = "192.0.2.7";
    EXPECT_EQ(capability_document(path_facts(p, k_now)).find("net.nat")->value, json::value("none"));
    p.translated = true;
    const capability_document facts(path_facts(p, k_now));
    EXPECT_EQ(facts.find("net.nat")->value, json::value("translated"));
    EXPECT_NE(facts.find("net.nat")->detail.find("192.0.2.7"), std::string::npos);
}

TEST(controller_path, a_controller_that_is_busy_leaves_the_bandwidth_unknown) {
    auto p = found_well();
    p.up = make_problem(errc::busy, "others measure");
    p.down = 1e9;
    const capability_document facts(path_facts(p, k_now));
    EXPECT_EQ(facts.find("net.controller_up_bps"), nullptr);
    EXPECT_EQ(facts.find("net.controller_down_bps")->value, json::value(1'000'000'000));
}

class path_over_a_session : public agent_rig {
protected:
    ~path_over_a_session() override {
        work_.reset();
        thread_.join();
    }
    path_figures measure(const path_request& what) {
        std::promise<path_figures> found;
        measure_path(io_, controller_.wait_link(), what, [&](path_figures p) { found.set_value(std::move(p)); });
        return found.get_future().get();
    }
    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
    std::thread thread_{[this] { io_.run(); }};
};

TEST_F(path_over_a_session, round_trips_are_those_of_the_link_and_a_peer_without_the_method_says_so) {
    connect();
    const auto p = measure({true});
    EXPECT_EQ(p.round_trips.size(), 20u);
    EXPECT_TRUE(std::is_sorted(p.round_trips.begin(), p.round_trips.end()));
    EXPECT_GT(p.round_trips.front(), nanoseconds{0});
    EXPECT_FALSE(p.clock_ahead);
    EXPECT_FALSE(p.no_clock.empty());
    ASSERT_TRUE(p.up);
    EXPECT_FALSE(*p.up);
}

TEST_F(path_over_a_session, a_link_that_is_gone_ends_it_at_once_with_the_reason) {
    connect();
    const auto link = controller_.wait_link();
    link->close();
    std::promise<path_figures> found;
    measure_path(io_, link, {true, std::chrono::hours(1)}, [&](path_figures p) { found.set_value(std::move(p)); });
    const auto p = found.get_future().get();
    EXPECT_TRUE(p.round_trips.empty());
    EXPECT_FALSE(p.no_round_trips.empty());
    EXPECT_FALSE(p.no_clock.empty());
}

}  // namespace
}  // namespace sigrun::agent_test
