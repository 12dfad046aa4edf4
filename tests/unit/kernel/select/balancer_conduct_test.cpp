// A balancer that is slow or proposes nonsense: bounded, suspended, asked again later; never a wrong placement.
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace sigrun::test;
using std::chrono::seconds;

std::atomic<int> asked{0};
std::atomic<bool> misbehave{true};

void nonsense(const sigrun_view&, const sigrun_req& req, const std::uint64_t*, sigrun_pick& out) {
    ++asked;
    out.n = 200;
    for (std::uint32_t& s : out.slot) s = misbehave ? static_cast<std::uint32_t>(req.rng) : 0;
    out.reason = SIGRUN_WHY_STRIDE;
}
void slow(const sigrun_view&, const sigrun_req&, const std::uint64_t*, sigrun_pick& out) {
    ++asked;
    timespec begin{}, now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    do ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while (misbehave && (now.tv_sec - begin.tv_sec) * 1'000'000'000 + now.tv_nsec - begin.tv_nsec < 300'000);
    out.n = 1;
    out.slot[0] = 0;
    out.reason = SIGRUN_WHY_STRIDE;
}

class conduct : public testing::Test {
protected:
    void make(scripted::pick_function pick) {
        selector::options o;
        o.default_balancer = "bad";
        o.time = &time;
        index = selector::create(o, {scripted::make("bad", std::move(pick))}).value();
        for (int i = 0; i < 3; ++i) join(*index, profile(machine(), 4));
        any = index->intern(compiled(""));
        asked = 0;
        misbehave = true;
    }
    pick_result one() {
        pick_request q;
        q.pred = any.get();
        const pick_result got = index->pick(q);
        EXPECT_EQ(got.outcome, pick_outcome::picked);
        EXPECT_LT(got.slot.slot, 3u);
        index->release(got.slot);
        return got;
    }
    void expect_suspended_then_asked_again(misconduct why) {
        const auto told = index->look_at_balancers();
        ASSERT_EQ(told.size(), 1u);
        EXPECT_EQ(told[0].name, "bad");
        EXPECT_EQ(told[0].why, why);
        const int before = asked;
        for (int i = 0; i < 100; ++i) EXPECT_EQ(one().explain.reason, SIGRUN_WHY_BUILTIN_FALLBACK);
        EXPECT_EQ(asked, before) << "it is not asked";
        time.advance(seconds(59));
        EXPECT_TRUE(index->look_at_balancers().empty());
        time.advance(seconds(1));
        const auto again = index->look_at_balancers();
        ASSERT_EQ(again.size(), 1u);
        EXPECT_EQ(again[0].why, misconduct::none);
        misbehave = false;
        for (int i = 0; i < 100; ++i) EXPECT_EQ(one().explain.reason, SIGRUN_WHY_STRIDE);
        EXPECT_TRUE(index->look_at_balancers().empty());
    }
    manual_clock time;
    std::unique_ptr<selector> index;
    predicate_ptr any;
};

TEST_F(conduct, nonsense_is_never_placed_and_soon_not_asked_for) {
    make(nonsense);
    for (int i = 0; i < 200; ++i) one();
    EXPECT_LE(asked, 2 * 64) << "twice for each of 64 picks";
    expect_suspended_then_asked_again(misconduct::useless);
}

TEST_F(conduct, a_slow_one_is_found_within_a_thousand_picks) {
    make(slow);
    for (int i = 0; i < 1100; ++i) one();
    EXPECT_LE(asked, 1030);
    expect_suspended_then_asked_again(misconduct::slow);
}

TEST_F(conduct, a_balancer_is_not_blamed_where_it_cannot_know_better) {
    make(nonsense);
    misbehave = false;  // it proposes slot 0
    pick_request q;
    q.pred = any.get();
    const std::uint32_t excluded = 0;
    q.excluded = &excluded;
    q.n_excluded = 1;
    for (int i = 0; i < 200; ++i) index->release(index->pick(q).slot);
    EXPECT_TRUE(index->look_at_balancers().empty());
    EXPECT_EQ(one().explain.reason, SIGRUN_WHY_STRIDE);
}

}  // namespace
