// The shipped balancers through the whole path: selector, C ABI, plugin file, claim.
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <random>
#include <set>

namespace {

using namespace sigrun;
using namespace sigrun::test;

struct shares {
    std::map<std::uint32_t, int> total;
    double worst = 0;  // largest |picks - expected| of a runner in any window
};

/// Picks and releases at once; looks at every window of `window` consecutive picks.
shares run(selector& s, const predicate_ptr& p, int picks, int window,
           const std::map<std::uint32_t, double>& expected) {
    pick_request q;
    q.pred = p.get();
    shares out;
    std::deque<std::uint32_t> recent;
    std::map<std::uint32_t, int> inside;
    for (int i = 0; i < picks; ++i) {
        const auto got = s.pick(q);
        EXPECT_EQ(got.explain.reason, SIGRUN_WHY_STRIDE);
        s.release(got.slot);
        ++out.total[got.slot.slot];
        ++inside[got.slot.slot];
        recent.push_back(got.slot.slot);
        if (static_cast<int>(recent.size()) < window) continue;
        for (const auto& [slot, share] : expected)
            out.worst = std::max(out.worst, std::abs(inside[slot] - share * window));
        --inside[recent.front()];
        recent.pop_front();
    }
    return out;
}

TEST(round_robin, mission_A1_shares_differ_by_at_most_one_pick_in_each_window) {
    for (int n : {1, 2, 7, 64, 65, 200}) {
        auto s = make_selector({real_balancer("round_robin")});
        std::map<std::uint32_t, double> expected;
        for (int i = 0; i < n; ++i) {
            // Three kinds of machines with the same weight and protocol, places up to 3, among others that do
            // not match.
            const slot_ref slot =
                join(*s, profile(machine().set("kind", i % 3), static_cast<std::uint16_t>(1 + i % 3)));
            expected[slot.slot] = 1.0 / n;
            join(*s, profile(machine().set("kind", 9)));
        }
        const auto p = s->intern(compiled("kind < 9"));
        const shares got = run(*s, p, 20 * n + 3, n, expected);
        EXPECT_EQ(got.total.size(), static_cast<std::size_t>(n));
        EXPECT_LE(got.worst, 1e-9) << n;  // in a window of n everybody is picked exactly once
        const shares odd = run(*s, p, 500, std::max(1, n / 2 + 1), {});
        int least = 1 << 30, most = 0;
        for (const auto& [slot, picks] : odd.total) least = std::min(least, picks), most = std::max(most, picks);
        EXPECT_LE(most - least, 1);
    }
    // No bias of the first pick over 1000 restarts, although the pages are filled unevenly.
    auto s = make_selector({real_balancer("round_robin")});
    std::map<std::uint32_t, int> first;
    for (int i = 0; i < 40; ++i) first[join(*s, profile(machine().set("kind", i < 30 ? 1 : i))).slot] = 0;
    for (int restart = 0; restart < 1000; ++restart) {
        // A new requirement is a new walk, as a new thread or process would begin it.
        const auto p = s->intern(compiled("kind < " + std::to_string(1000 + restart)));
        pick_request q;
        q.pred = p.get();
        const auto got = s->pick(q);
        ++first[got.slot.slot];
        s->release(got.slot);
    }
    double chi = 0;
    for (const auto& [slot, n] : first) chi += (n - 25.0) * (n - 25.0) / 25.0;
    EXPECT_LT(chi, 101.0);  // 39 degrees of freedom: beyond this once in a million runs
}

TEST(round_robin, mission_A6_weights_are_respected_from_the_first_pick_and_after_each_update) {
    auto s = make_selector({real_balancer("round_robin", {{"protocol_weights", "valkyrie=1.0"}})});
    const double weights[] = {1, 2, 3, 5, 0.5, 1, 1, 4};
    std::vector<slot_ref> slots;
    for (double w : weights) slots.push_back(join(*s, profile(machine(), 4, 1, w)));
    std::map<std::uint32_t, double> expected;
    auto expect = [&](const std::vector<double>& now) {
        double sum = 0;
        for (double w : now) sum += w;
        expected.clear();
        for (std::size_t i = 0; i < now.size(); ++i) expected[slots[i].slot] = now[i] / sum;
    };
    std::vector<double> now(std::begin(weights), std::end(weights));
    expect(now);
    const auto p = s->intern(compiled(""));
    const shares got = run(*s, p, 35'000, 35, expected);
    EXPECT_LE(got.worst,
              2.0);  // a window may cut the turns of two neighbours; any number of whole turns is within 1
    for (const auto& [slot, share] : expected) EXPECT_NEAR(got.total.at(slot), share * 35'000, 3.0);

    std::mt19937_64 random(3);
    for (int round = 0; round < 20; ++round) {
        const std::size_t i = random() % now.size();
        now[i] = 0.25 * static_cast<double>(1 + random() % 20);
        slots[i] = s->update(slots[i], profile(machine(), 4, 1, now[i])).value();
        expect(now);
        double sum = 0;
        for (double w : now) sum += w;
        const int picks = static_cast<int>(sum * 40);
        const shares after = run(*s, p, picks, picks, expected);
        EXPECT_LE(after.worst, 2.5) << round;
    }

    // First picks follow the weights too.
    std::map<std::uint32_t, int> first;
    for (int restart = 0; restart < 4000; ++restart) {
        const auto q = s->intern(compiled("label.x == \"y\" || true == true || k == " + std::to_string(restart)));
        pick_request r;
        r.pred = q.get();
        const auto pick = s->pick(r);
        ++first[pick.slot.slot];
        s->release(pick.slot);
    }
    double chi = 0;
    for (const auto& [slot, share] : expected)
        chi += (first[slot] - share * 4000) * (first[slot] - share * 4000) / (share * 4000);
    EXPECT_LT(chi, 40.5);  // 7 degrees of freedom: beyond this once in a million runs
}

TEST(round_robin, the_best_common_protocol_changes_the_share) {
    auto s = make_selector({real_balancer("round_robin")});
    const slot_ref valkyrie = join(*s, profile(machine(), 1, 0b0101)), http = join(*s, profile(machine(), 1, 0b0100)),
                   socket = join(*s, profile(machine(), 1, 0b1000));
    const auto p = s->intern(compiled(""));
    const auto got = run(*s, p, 3100, 31, {});
    EXPECT_NEAR(got.total.at(valkyrie.slot), 1200, 3);
    EXPECT_NEAR(got.total.at(http.slot), 1000, 3);
    EXPECT_NEAR(got.total.at(socket.slot), 900, 3);
    // A job that allows only HTTP and WebSocket sees the first runner as an HTTP one.
    pick_request q;
    q.pred = p.get();
    q.protocols = 0b1100;
    std::map<std::uint32_t, int> only;
    for (int i = 0; i < 2900; ++i) {
        const auto pick = s->pick(q);
        ++only[pick.slot.slot];
        s->release(pick.slot);
    }
    EXPECT_NEAR(only[valkyrie.slot], 1000, 3);
    EXPECT_NEAR(only[http.slot], 1000, 3);
    EXPECT_NEAR(only[socket.slot], 900, 3);
}

TEST(round_robin, busy_runners_are_passed_over_and_light_ones_are_still_found) {
    auto s = make_selector({real_balancer("round_robin")});
    const slot_ref heavy = join(*s, profile(machine(), 1, 1, 63));
    std::vector<slot_ref> light;
    for (int i = 0; i < 5; ++i) light.push_back(join(*s, profile(machine(), 1, 1, 0.001)));
    s->claim_existing(heavy);
    const auto p = s->intern(compiled(""));
    pick_request q;
    q.pred = p.get();
    std::set<std::uint32_t> seen;
    for (int i = 0; i < 5; ++i) {
        const auto got = s->pick(q);
        ASSERT_EQ(got.explain.reason, SIGRUN_WHY_STRIDE);
        seen.insert(got.slot.slot);
    }
    EXPECT_EQ(seen.size(), 5u);
    EXPECT_EQ(s->pick(q).outcome, pick_outcome::queued);
}

class load_model {
public:
    load_model(std::uint64_t seed, int runners, int kinds) : random_(seed) {
        selector_ = make_selector({real_balancer("least_connections")}, 10'000, {.max_runner_load = 1});
        for (int i = 0; i < runners; ++i) {
            one r;
            r.kind = static_cast<int>(random_() % 2);
            r.places = kinds == 1 ? 4 : static_cast<std::uint32_t>(1 + random_() % static_cast<unsigned>(kinds));
            r.weight = kinds == 1 ? 1.0 : 0.25 * static_cast<double>(1 + random_() % 8);
            r.slot = join(*selector_,
                          profile(machine().set("kind", r.kind), static_cast<std::uint16_t>(r.places), 1, r.weight));
            by_slot_[r.slot.slot] = runners_.size();
            runners_.push_back(r);
        }
        all_ = selector_->intern(compiled("true"));
        some_ = selector_->intern(compiled("kind == 1"));
    }
    void step() {
        const bool half = random_() % 2;
        pick_request q;
        q.pred = (half ? some_ : all_).get();
        // Phases of filling and of emptying, so that all levels come up.
        const bool fill = random_() % 16 < (steps_++ / 700 % 2 ? 13 : 4);
        if (!fill) {
            if (held_.empty()) return;
            const std::size_t i = random_() % held_.size();
            --runners_[held_[i]].jobs;
            selector_->release(runners_[held_[i]].slot);
            held_[i] = held_.back();
            held_.pop_back();
            return;
        }
        const one* best = nullptr;
        for (const one& r : runners_)
            if ((!half || r.kind == 1) && r.jobs < r.places && (!best || r.load() < best->load())) best = &r;
        const auto got = selector_->pick(q);
        ASSERT_EQ(got.outcome == pick_outcome::picked, best != nullptr);
        if (!best) return;
        ASSERT_EQ(got.explain.reason, SIGRUN_WHY_LEAST_COUNT);
        const std::size_t i = by_slot_.at(got.slot.slot);
        ASSERT_TRUE(!half || runners_[i].kind == 1);
        ASSERT_EQ(runners_[i].load(), best->load());
        ++runners_[i].jobs;
        held_.push_back(i);
        most_ = std::max(most_, runners_[i].jobs);
    }
    std::uint32_t most() const { return most_; }

private:
    struct one {
        slot_ref slot;
        int kind = 0;
        std::uint32_t places = 1, jobs = 0;
        double weight = 1;
        double load() const { return jobs / (places * std::floor(weight * 1024)); }
    };
    std::mt19937_64 random_;
    std::unique_ptr<selector> selector_;
    predicate_ptr all_, some_;
    std::vector<one> runners_;
    std::map<std::uint32_t, std::size_t> by_slot_;
    std::vector<std::size_t> held_;
    std::uint32_t most_ = 0;
    unsigned steps_ = 0;
};

TEST(least_connections, mission_A2_always_the_true_minimum_with_ties_spread) {
    struct shape {
        int runners, kinds;
    };
    // One kind; a few; more capacities than are kept as groups (pages are walked then); more places than
    // levels.
    for (shape f : {shape{1, 1}, shape{50, 1}, shape{100, 3}, shape{300, 40}, shape{6, 150}}) {
        load_model model(static_cast<std::uint64_t>(f.runners), f.runners, f.kinds);
        for (int i = 0; i < 6000; ++i) {
            model.step();
            if (HasFatalFailure()) FAIL() << f.runners << " runners, " << f.kinds << " kinds, step " << i;
        }
        if (f.kinds == 150) {
            EXPECT_GT(model.most(), 70u);  // beyond the last level
        }
    }
    // Ties: 130 idle runners in three unevenly filled pages, each as likely as any other.
    auto s = make_selector({real_balancer("least_connections")});
    std::map<std::uint32_t, int> picks;
    for (int i = 0; i < 130; ++i) picks[join(*s, profile(machine(), 8)).slot] = 0;
    const auto p = s->intern(compiled(""));
    pick_request q;
    q.pred = p.get();
    constexpr int k_each = 200;
    for (int i = 0; i < 130 * k_each; ++i) {
        const auto got = s->pick(q);
        ++picks[got.slot.slot];
        s->release(got.slot);
    }
    // Thinning leaves a page with two runners somewhat above its share, never below.
    for (const auto& [slot, n] : picks) {
        EXPECT_GT(n, k_each / 2);
        EXPECT_LT(n, 8 * k_each);
    }
}

}  // namespace
