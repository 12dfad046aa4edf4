// How often the cache of endpoints answers without waiting under the load that capabilities are read with: half an hour of it,
// by a clock that is turned by hand.
#include "kernel/capability/ttl_cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>
#include <unordered_map>
#include <vector>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
using cache = ttl_cache<int>;

constexpr nanoseconds k_ttl = 300s;         // the default of [detector] cache_ttl
constexpr nanoseconds k_detection = 400ms;  // how long finding out takes
constexpr std::size_t k_room = 20'000;      // what the daemon gives it

/// Numbers from 0 to n - 1, the first the most frequent: each one 1/(i+1) as often.
class zipf {
public:
    explicit zipf(std::size_t n) {
        double sum = 0;
        for (std::size_t i = 0; i < n; ++i) sums_.push_back(sum += 1.0 / static_cast<double>(i + 1));
    }
    template <class Random>
    std::size_t operator()(Random& random) const {
        const double at = std::uniform_real_distribution<double>(0, sums_.back())(random);
        return static_cast<std::size_t>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
    }

private:
    std::vector<double> sums_;
};

/// Asks, lets detections end when their time has come, and keeps books of its own from what it sees.
class load {
public:
    /// How a reader asks: as the fleet does, who waits for what is past its time, or so that stale will do.
    enum class reader { waits, takes_stale };
    explicit load(reader how, unsigned failing_percent = 0) : how_(how), failing_(failing_percent) { restart(); }
    ~load() { abandon(); }

    void read(const std::string& key) {
        clock_.advance(1ms);
        while (!under_way_.empty() && under_way_.front().first <= clock_.now()) land();
        bool began = false, answered = false;
        const auto run = [&](cache::finish finish) {
            began = true;
            under_way_.emplace_back(clock_.now() + k_detection, landing{key, std::move(finish)});
        };
        const auto told = [&, this](bool failed) {
            if (returned_) return;  // it had to wait; it was counted then
            answered = true;
            // What it is by the books kept here, not by what the cache says of itself.
            if (failed)
                ++books_.negative;
            else if (clock_.now() < learnt_.at(key) + k_ttl)
                ++books_.hits;
            else
                ++books_.stale;
        };
        if (how_ == reader::waits)
            cache_->get(key, run, [told](const auto& r) { told(!r); });
        else
            cache_->ask(
                key, run, [told](const auto& r) { told(!r); }, cache::patience::none);
        if (answered && began) ++books_.renewals;
        if (!answered && began) ++books_.misses;
        if (!answered && !began) ++books_.shared;
    }
    void deregister(const std::string& key) { cache_->invalidate(key); }
    /// Nothing is known any more; the counters begin again, the books add up.
    void restart() {
        if (cache_) add(before_, cache_->stats());
        abandon();
        cache_ = std::make_unique<cache>(clock_, k_ttl, k_room);
    }
    cache_stats counted() const {
        auto all = before_;
        add(all, cache_->stats());
        return all;
    }
    const cache_stats& books() const { return books_; }
    nanoseconds now() const { return clock_.now().time_since_epoch(); }

private:
    struct landing {
        std::string key;
        cache::finish finish;
    };
    void land() {
        auto one = std::move(under_way_.front().second);
        under_way_.pop_front();
        learnt_[one.key] = clock_.now();
        returned_ = true;
        if (std::hash<std::string>{}(one.key) % 100 < failing_)
            one.finish(make_problem(errc::unavailable, "connection refused"));
        else
            one.finish(std::make_shared<const int>(1));
        returned_ = false;
    }
    void abandon() {
        returned_ = true;  // who still waits is told that there is no answer
        under_way_.clear();
        returned_ = false;
    }
    static void add(cache_stats& to, const cache_stats& more) {
        to.hits += more.hits;
        to.misses += more.misses;
        to.shared += more.shared;
        to.negative += more.negative;
        to.stale += more.stale;
        to.renewals += more.renewals;
    }

    const reader how_;
    const unsigned failing_;
    manual_clock clock_;
    std::unique_ptr<cache> cache_;
    std::deque<std::pair<time_point, landing>> under_way_;
    std::unordered_map<std::string, time_point> learnt_;
    cache_stats before_, books_;
    bool returned_ = false;
};

void expect_equal(const cache_stats& counted, const cache_stats& books) {
    EXPECT_EQ(counted.hits, books.hits);
    EXPECT_EQ(counted.misses, books.misses);
    EXPECT_EQ(counted.shared, books.shared);
    EXPECT_EQ(counted.negative, books.negative);
    EXPECT_EQ(counted.stale, books.stale);
    EXPECT_EQ(counted.renewals, books.renewals);
}

class mission_N8_reader : public ::testing::TestWithParam<load::reader> {};

TEST_P(mission_N8_reader, of_ten_thousand_endpoints_for_half_an_hour_with_churn_and_a_restart_hits_95_of_100) {
    constexpr std::size_t k_endpoints = 10'000;
    std::mt19937_64 random(20260105);
    const zipf which(k_endpoints);
    std::vector<std::string> endpoints(k_endpoints);
    std::size_t made = 0;
    for (auto& name : endpoints) name = "valkyrie://10.0.0.1:" + std::to_string(made++);
    load all(GetParam());
    for (int minute = 0; minute < 30; ++minute) {
        if (minute == 15) all.restart();
        for (int i = 0; i < 60'000; ++i) {
            if (i % 600 == 0) {  // 100 of 10,000 a minute
                auto& leaves = endpoints[random() % k_endpoints];
                all.deregister(leaves);
                leaves = "valkyrie://10.0.0.1:" + std::to_string(made++);
            }
            all.read(endpoints[which(random)]);
        }
    }
    const auto counted = all.counted();
    expect_equal(counted, all.books());
    EXPECT_EQ(counted.asked(), 1'800'000u);
    EXPECT_GE(counted.ratio(), 0.95);
    RecordProperty("hit_ratio", std::to_string(counted.ratio()));
    std::printf("hits %llu, misses %llu, shared %llu, stale %llu, renewals %llu of 1,800,000: %.4f\n",
                static_cast<unsigned long long>(counted.hits), static_cast<unsigned long long>(counted.misses),
                static_cast<unsigned long long>(counted.shared), static_cast<unsigned long long>(counted.stale),
                static_cast<unsigned long long>(counted.renewals), counted.ratio());
}

INSTANTIATE_TEST_SUITE_P(hit_rate, mission_N8_reader, ::testing::Values(load::reader::waits, load::reader::takes_stale),
                         [](const auto& how) { return how.param == load::reader::waits ? "waits" : "takes_stale"; });

TEST(mission_N8, a_load_that_asks_for_each_endpoint_once_in_a_lifetime_shows_a_bad_rate) {
    load all(load::reader::takes_stale);
    // 60,000 endpoints one after the other: each again when it was long pushed out.
    for (int i = 0; i < 120'000; ++i) all.read("e" + std::to_string(i % 60'000));
    const auto counted = all.counted();
    expect_equal(counted, all.books());
    EXPECT_LT(counted.ratio(), 0.05);
    EXPECT_EQ(counted.asked(), 120'000u);
}

TEST(mission_N8, what_fails_is_asked_again_but_seldom_and_counted_apart) {
    load all(load::reader::takes_stale, 20);
    std::mt19937_64 random(7);
    const zipf which(200);
    for (int i = 0; i < 200'000; ++i) all.read("e" + std::to_string(which(random)));
    const auto counted = all.counted();
    expect_equal(counted, all.books());
    EXPECT_GT(counted.negative, 0u);
    EXPECT_LT(counted.ratio(), 0.95) << "a remembered failure is no hit";
}

}  // namespace
}  // namespace sigrun
