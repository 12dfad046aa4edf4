#include "kernel/capability/ttl_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
using cache = ttl_cache<int>;

cache::value_ptr value(int v) { return std::make_shared<const int>(v); }
problem refused() { return make_problem(errc::unavailable, "connection refused"); }

/// Asks and expects the answer before get returns.
result<cache::value_ptr> ask(cache& c, const std::string& key, const std::function<void(cache::finish)>& run,
                             bool fresh = false) {
    std::optional<result<cache::value_ptr>> answer;
    c.get(
        key, run, [&](result<cache::value_ptr> r) { answer = std::move(r); }, fresh);
    if (!answer) throw std::logic_error("no answer yet");
    return *answer;
}
std::function<void(cache::finish)> gives(int v) {
    return [v](cache::finish f) { f(value(v)); };
}
void fails(cache::finish f) { f(refused()); }
void must_not_run(cache::finish) { throw std::logic_error("ran"); }

TEST(ttl_cache, answers_from_the_entry_until_its_age_limit) {
    manual_clock clk;
    cache c(clk, 300s, 10);
    EXPECT_EQ(**ask(c, "a", gives(1)), 1);
    clk.advance(299s);
    EXPECT_EQ(**ask(c, "a", gives(2)), 1);
    EXPECT_TRUE(c.peek("a").cached);
    EXPECT_EQ(c.peek("a").age, 299s);
    clk.advance(1s);
    EXPECT_FALSE(c.peek("a").cached);
    EXPECT_EQ(**ask(c, "a", gives(3)), 3);
    auto s = c.stats();
    EXPECT_EQ(s.hits, 1u);
    EXPECT_EQ(s.misses, 2u);
    EXPECT_EQ(s.entries, 1u);
}

TEST(ttl_cache, fresh_ignores_the_entry_and_replaces_it) {
    manual_clock clk;
    cache c(clk, 300s, 10);
    ask(c, "a", gives(1));
    EXPECT_EQ(**ask(c, "a", gives(2), true), 2);
    EXPECT_EQ(**ask(c, "a", must_not_run), 2);
}

TEST(ttl_cache, failures_are_remembered_for_five_seconds_doubling_to_sixty) {
    manual_clock clk;
    cache c(clk, 300s, 10);
    for (auto remembered : {5s, 10s, 20s, 40s, 60s, 60s}) {
        EXPECT_EQ(ask(c, "a", fails).error().code, errc::unavailable);
        clk.advance(remembered - 1ns);
        EXPECT_EQ(ask(c, "a", gives(9)).error().message, "connection refused") << remembered.count();
        clk.advance(1ns);
    }
    EXPECT_EQ(c.stats().negative, 6u);
    EXPECT_EQ(**ask(c, "a", gives(1)), 1);
    clk.advance(300s);
    EXPECT_FALSE(ask(c, "a", fails));  // a success in between starts the doubling again
    clk.advance(5s);
    EXPECT_EQ(**ask(c, "a", gives(2)), 2);
}

TEST(ttl_cache, the_least_recently_used_entry_goes_first) {
    manual_clock clk;
    cache c(clk, 300s, 2);
    ask(c, "a", gives(1));
    ask(c, "b", gives(2));
    ask(c, "a", must_not_run);
    ask(c, "c", gives(3));
    EXPECT_EQ(c.stats().evicted, 1u);
    EXPECT_EQ(c.stats().entries, 2u);
    EXPECT_TRUE(c.peek("a").cached);
    EXPECT_FALSE(c.peek("b").cached);
    EXPECT_TRUE(c.peek("c").cached);
}

TEST(ttl_cache, invalidation_drops_the_entry_and_what_is_being_found_out) {
    manual_clock clk;
    cache c(clk, 300s, 10);
    ask(c, "a", gives(1));
    c.invalidate("a");
    EXPECT_EQ(c.stats().entries, 0u);

    cache::finish old;
    int answered = 0;
    c.get(
        "a", [&](cache::finish f) { old = std::move(f); }, [&](auto r) { answered = **r; });
    c.invalidate("a");
    EXPECT_EQ(**ask(c, "a", gives(3)), 3);  // does not join the old run
    old(value(2));
    EXPECT_EQ(answered, 2);                     // whoever waited is answered,
    EXPECT_EQ(**ask(c, "a", must_not_run), 3);  // but the old value is not kept
}

TEST(ttl_cache, clear_drops_all_entries_and_runs) {
    manual_clock clk;
    cache c(clk, 300s, 10);
    ask(c, "a", gives(1));
    cache::finish old;
    int answered = 0;
    c.get(
        "b", [&](cache::finish f) { old = std::move(f); }, [&](auto r) { answered = **r; });
    c.clear();
    EXPECT_EQ(c.stats().entries, 0u);
    EXPECT_EQ(**ask(c, "a", gives(2)), 2);
    EXPECT_EQ(**ask(c, "b", gives(3)), 3);
    old(value(4));
    EXPECT_EQ(answered, 4);
    EXPECT_EQ(**ask(c, "b", must_not_run), 3);
}

TEST(ttl_cache, a_run_that_throws_or_forgets_to_finish_is_a_failure) {
    manual_clock clk;
    cache c(clk, 300s, 10);
    EXPECT_EQ(ask(c, "throws", [](cache::finish) { throw std::runtime_error("broken"); }).error().message, "broken");
    EXPECT_EQ(ask(c, "forgets", [](cache::finish) {}).error().code, errc::internal);
    EXPECT_EQ(ask(c, "null", [](cache::finish f) { f(cache::value_ptr()); }).error().code, errc::internal);
    EXPECT_EQ(c.stats().entries, 3u);
}

TEST(ttl_cache, finishing_twice_counts_once) {
    manual_clock clk;
    cache c(clk, 300s, 10);
    int answers = 0;
    c.get(
        "a", [](cache::finish f) { f(value(1)), f(value(2)); }, [&](auto) { ++answers; });
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(**ask(c, "a", must_not_run), 1);
}

TEST(ttl_cache, a_run_may_end_after_the_cache) {
    manual_clock clk;
    cache::finish late;
    int answered = 0;
    {
        cache c(clk, 300s, 10);
        c.get(
            "a", [&](cache::finish f) { late = std::move(f); }, [&](auto r) { answered = **r; });
    }
    late(value(7));
    EXPECT_EQ(answered, 7);
}

TEST(ttl_cache, a_reply_may_ask_again) {
    manual_clock clk;
    cache c(clk, 300s, 10);
    int inner = 0;
    c.get("a", gives(1), [&](auto) { inner = **ask(c, "a", must_not_run); });
    EXPECT_EQ(inner, 1);
}

using patience = cache::patience;

/// Asks without waiting; nothing if no answer came at once.
std::optional<result<cache::known>> ask_at_once(cache& c, const std::function<void(cache::finish)>& run,
                                                patience how = patience::none) {
    // Who is not answered at once is answered later, when nobody listens.
    const auto answer = std::make_shared<std::optional<result<cache::known>>>();
    c.ask(
        "a", run, [answer](result<cache::known> r) { *answer = std::move(r); }, how);
    return *answer;
}

TEST(ttl_cache, what_is_past_its_time_answers_as_stale_while_one_run_renews_it) {
    manual_clock clk;
    cache c(clk, 60s, 10);
    ask(c, "a", gives(1));
    clk.advance(60s);
    cache::finish land;
    int runs = 0;
    const auto renews = [&](cache::finish f) { ++runs, land = std::move(f); };
    for (int i = 0; i < 3; ++i) {
        const auto answer = ask_at_once(c, renews);
        ASSERT_TRUE(answer && *answer);
        EXPECT_EQ(*(*answer)->value, 1);
        EXPECT_TRUE((*answer)->stale);
    }
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(c.stats().in_flight, 1u);
    EXPECT_EQ(c.census().expired, 1u);
    land(value(2));
    const auto answer = ask_at_once(c, must_not_run);
    EXPECT_EQ(*(*answer)->value, 2);
    EXPECT_FALSE((*answer)->stale);
    const auto s = c.stats();
    EXPECT_EQ(s.stale, 3u);
    EXPECT_EQ(s.renewals, 1u);
    EXPECT_EQ(s.hits, 1u);
    EXPECT_EQ(s.misses, 1u);
    EXPECT_DOUBLE_EQ(s.ratio(), 0.2);
    EXPECT_EQ(c.census().valid, 1u);
}

TEST(ttl_cache, stale_lasts_for_one_more_time_and_not_for_who_wants_what_is_current) {
    manual_clock clk;
    cache c(clk, 60s, 10);
    ask(c, "a", gives(1));
    clk.advance(120s - 1ns);
    cache::finish land;
    const auto holds = [&](cache::finish f) { land = std::move(f); };
    EXPECT_TRUE(ask_at_once(c, holds));
    EXPECT_FALSE(ask_at_once(c, must_not_run, patience::current)) << "joins the run and waits";
    EXPECT_EQ(c.stats().shared, 1u);
    clk.advance(1ns);
    EXPECT_FALSE(ask_at_once(c, must_not_run)) << "too old to be told";
    land(value(2));
    EXPECT_EQ(c.stats().shared, 2u);
}

TEST(ttl_cache, an_entry_is_renewed_ahead_at_four_fifths_of_its_time_by_who_asks) {
    manual_clock clk;
    nanoseconds earliest = 1h, latest{0};
    for (int round = 0; round < 50; ++round) {
        cache c(clk, 100s, 10);
        ask(c, "a", gives(1));
        int runs = 0;
        nanoseconds at{0};
        for (; runs == 0 && at < 100s; clk.advance(1s), at += 1s) {
            const auto answer = ask_at_once(
                c, [&](cache::finish f) { ++runs, f(value(2)); }, patience::current);
            ASSERT_TRUE(answer && *answer);
            EXPECT_EQ(*(*answer)->value, 1) << "what is good answers, the new one comes after";
        }
        EXPECT_EQ(**ask(c, "a", must_not_run), 2);
        EXPECT_EQ(c.stats().renewals, 1u);
        EXPECT_EQ(c.stats().misses, 1u);
        earliest = std::min(earliest, at);
        latest = std::max(latest, at);
    }
    EXPECT_GE(earliest, 72s);
    EXPECT_LE(latest, 90s);
    EXPECT_LT(earliest, latest) << "not all at the same time";
}

TEST(ttl_cache, each_value_may_say_how_long_it_is_good) {
    manual_clock clk;
    cache c(
        clk, [](int v) { return v == 0 ? cache::k_for_ever : nanoseconds(v * 1s); }, 10);
    ask(c, "ever", gives(0));
    ask(c, "five", gives(5));
    clk.advance(5s);
    EXPECT_EQ(**ask(c, "five", gives(7)), 7);
    clk.advance(1000h);
    EXPECT_EQ(**ask(c, "ever", must_not_run), 0);
}

TEST(ttl_cache, what_is_expired_by_hand_is_stale_and_a_run_from_before_does_not_count) {
    manual_clock clk;
    cache c(
        clk, [](int) { return cache::k_for_ever; }, 10);
    ask(c, "a", gives(1));
    cache::finish old, now;
    ask_at_once(
        c, [&](cache::finish f) { old = std::move(f); }, patience::fresh);
    c.expire("a");
    const auto answer = ask_at_once(c, [&](cache::finish f) { now = std::move(f); });
    ASSERT_TRUE(answer && *answer);
    EXPECT_TRUE((*answer)->stale);
    ASSERT_TRUE(now) << "the run from before may have looked before the change";
    now(value(3));
    old(value(2));
    EXPECT_EQ(**ask(c, "a", must_not_run), 3);
    c.expire("nobody knows it");
}

TEST(ttl_cache, a_suggestion_is_stale_until_it_is_confirmed_and_replaces_nothing) {
    manual_clock clk;
    cache c(clk, 60s, 10);
    c.suggest("a", value(1));
    c.suggest("a", value(9));
    cache::finish land;
    auto answer = ask_at_once(c, [&](cache::finish f) { land = std::move(f); });
    ASSERT_TRUE(answer && *answer);
    EXPECT_TRUE((*answer)->stale);
    EXPECT_EQ(*(*answer)->value, 1);
    clk.advance(60s);
    EXPECT_FALSE(ask_at_once(c, must_not_run)) << "as long as it would have been good, and no longer";
    land(value(2));
    EXPECT_EQ(**ask(c, "a", must_not_run), 2);
}

/// A second, naive book-keeping of the same rules, one call at a time.
struct recount {
    struct row {
        bool ok;
        time_point until;
        nanoseconds backoff;
        std::uint64_t used;
    };
    std::map<std::string, row> rows;
    std::uint64_t tick = 0;
    cache_stats expected;

    void call(const std::string& key, bool succeeds, bool fresh, time_point now, nanoseconds ttl, std::size_t max) {
        ++tick;
        auto at = rows.find(key);
        if (!fresh && at != rows.end() && now < at->second.until) {
            at->second.used = tick;
            at->second.ok ? ++expected.hits : ++expected.negative;
            return;
        }
        ++expected.misses;
        nanoseconds backoff = at == rows.end() ? 0s : at->second.backoff;
        backoff = succeeds ? 0s : backoff == 0s ? nanoseconds(5s) : std::min<nanoseconds>(2 * backoff, 60s);
        rows[key] = {succeeds, now + (succeeds ? ttl : backoff), backoff, tick};
        if (rows.size() > max) {
            auto oldest = rows.begin();
            for (auto i = rows.begin(); i != rows.end(); ++i)
                if (i->second.used < oldest->second.used) oldest = i;
            rows.erase(oldest);
            ++expected.evicted;
        }
        expected.entries = rows.size();
    }
};

void expect_equal(const cache_stats& a, const cache_stats& b) {
    EXPECT_EQ(a.hits, b.hits);
    EXPECT_EQ(a.misses, b.misses);
    EXPECT_EQ(a.shared, b.shared);
    EXPECT_EQ(a.negative, b.negative);
    EXPECT_EQ(a.stale, b.stale);
    EXPECT_EQ(a.renewals, b.renewals);
    EXPECT_EQ(a.evicted, b.evicted);
    EXPECT_EQ(a.entries, b.entries);
}

TEST(ttl_cache, mission_D18_one_run_for_a_thousand_callers_eviction_negatives_and_a_recount) {
    manual_clock clk;
    cache c(clk, 300s, 8);
    recount books;

    // A thousand callers, all waiting at once for the one run.
    std::atomic<int> runs{0}, answers{0}, wrong{0};
    std::mutex mutex;
    cache::finish land;
    constexpr int k_threads = 20, k_calls = 50;
    std::barrier gate(k_threads);
    std::vector<std::thread> callers;
    for (int t = 0; t < k_threads; ++t)
        callers.emplace_back([&] {
            gate.arrive_and_wait();
            for (int i = 0; i < k_calls; ++i)
                c.get(
                    "crowd",
                    [&](cache::finish f) {
                        ++runs;
                        std::lock_guard lock(mutex);
                        land = std::move(f);
                    },
                    [&](auto r) {
                        ++answers;
                        if (!r || **r != 42) ++wrong;
                    });
        });
    for (auto& t : callers) t.join();
    EXPECT_EQ(answers, 0);
    land(value(42));
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(answers, k_threads * k_calls);
    EXPECT_EQ(wrong, 0);
    books.call("crowd", true, false, clk.now(), 300s, 8);
    books.expected.shared = k_threads * k_calls - 1;
    expect_equal(c.stats(), books.expected);

    // Then twenty thousand calls over more keys than fit, with failures, refreshes and time passing.
    std::mt19937 random(20260105);
    for (int i = 0; i < 20'000; ++i) {
        const std::string key = "k" + std::to_string(random() % 12);
        const bool succeeds = random() % 4 != 0, fresh = random() % 16 == 0;
        books.call(key, succeeds, fresh, clk.now(), 300s, 8);
        ask(c, key, succeeds ? gives(i) : std::function<void(cache::finish)>(fails), fresh);
        clk.advance(nanoseconds(random() % 8'000'000'000));
    }
    expect_equal(c.stats(), books.expected);
    EXPECT_GT(books.expected.evicted, 0u);
    EXPECT_GT(books.expected.negative, 0u);
    EXPECT_GT(books.expected.hits, 0u);
}

TEST(ttl_cache, counters_add_up_when_threads_race) {
    manual_clock clk;
    cache c(clk, 1s, 4);
    std::atomic<std::uint64_t> runs{0}, answers{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            for (int i = 0; i < 5'000; ++i) {
                if (random() % 64 == 0) clk.advance(300ms);
                c.get(
                    "k" + std::to_string(random() % 6), [&](cache::finish f) { ++runs, f(value(1)); },
                    [&](auto) { ++answers; });
            }
        });
    for (auto& t : threads) t.join();
    auto s = c.stats();
    EXPECT_EQ(answers, 20'000u);
    EXPECT_EQ(s.misses, runs);
    EXPECT_EQ(s.hits + s.misses + s.shared + s.negative, 20'000u);
    EXPECT_LE(s.entries, 4u);
}

}  // namespace
}  // namespace sigrun
