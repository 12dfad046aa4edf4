// Many threads pick and release while runners come, go, change, open and close.
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::test;

// Sanitizers slow each pick down 20 times and find races in a few thousand.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int k_picks = 64'000;
#else
constexpr int k_picks = 10'000'000;
#endif
constexpr int k_threads = 16;

std::vector<std::shared_ptr<instance>> all_balancers() {
    return {real_balancer("round_robin"), real_balancer("least_connections"), scripted::make("none", propose_nothing)};
}

/// Who is in a slot, written while it is closed: a pick must find exactly what it asked for.
class register_of_slots {
public:
    void write(slot_ref s, std::uint32_t traits) { at(s) = traits << 8 | s.generation; }
    bool holds(slot_ref s, std::uint32_t trait) {
        return at(s) == (at(s) & ~0xffu) + s.generation && (at(s) >> 8 & trait);
    }

private:
    std::atomic<std::uint32_t>& at(slot_ref s) { return slots_.at(s.slot); }
    std::vector<std::atomic<std::uint32_t>> slots_ = std::vector<std::atomic<std::uint32_t>>(64 * 1024);
};

TEST(selector_churn, mission_L3_no_ineligible_runner_is_picked) {
    enum : std::uint32_t { k_eu = 1, k_odd = 2, k_free = 4, k_never = 8 };
    // Failures eject, and ejections end at once, so that all of it happens all the time.
    auto s = make_selector(all_balancers(), 800,
                           {.max_ejected = 0.3, .ejection_time = std::chrono::milliseconds(1), .failures_in_a_row = 2});
    register_of_slots who;
    std::mt19937_64 random(1);
    auto draw = [&](std::uint32_t& traits) {
        const auto cores = static_cast<std::uint32_t>(random() % 8), free = static_cast<std::uint32_t>(random() % 4);
        const bool eu = random() % 2;
        machine m;
        m.set("cores", cores).label("zone", eu ? "eu" : "us").set("free", free, {.volatility = fact_volatility::fast});
        traits = (eu ? k_eu : 0u) | (cores % 2 ? k_odd : 0u) | (free ? k_free : 0u);
        return profile(m, static_cast<std::uint16_t>(1 + random() % 3), static_cast<protocol_mask>(1 << random() % 3),
                       0.5 * static_cast<double>(1 + random() % 2));
    };
    auto enter = [&] {
        std::uint32_t traits = 0;
        const slot_ref slot = s->add(draw(traits)).value();
        who.write(slot, traits);
        s->set_open(slot, true);
        return slot;
    };
    const predicate_ptr asked[] = {s->intern(compiled("label.zone == \"eu\"")),
                                   s->intern(compiled("cores in [1,3,5,7]")), s->intern(compiled("free >= 1")),
                                   s->intern(compiled("cores > 7"))};

    std::atomic<int> working{k_threads};
    std::atomic<std::uint64_t> wrong{0}, picked{0};
    std::vector<slot_ref> fleet;
    for (int i = 0; i < 200; ++i) fleet.push_back(enter());
    std::vector<std::vector<slot_ref>> kept(k_threads);
    std::vector<std::thread> threads;
    for (int t = 0; t < k_threads; ++t)
        threads.emplace_back([&, t] {
            std::mt19937_64 own(static_cast<std::uint64_t>(t) + 100);
            auto& mine = kept[static_cast<std::size_t>(t)];
            for (int i = 0; i < k_picks / k_threads; ++i) {
                const std::uint64_t dice = own();
                const std::size_t which = dice % 4;
                pick_request q;
                q.pred = asked[which].get();
                q.balancer = static_cast<std::uint16_t>(1 + (dice >> 8) % 3);
                if ((dice >> 16) % 4 == 0) q.protocols = static_cast<protocol_mask>(1 + (dice >> 20) % 7);
                const auto got = s->pick(q);
                if (got.outcome == pick_outcome::picked) {
                    ++picked;
                    mine.push_back(got.slot);
                    if (!who.holds(got.slot, 1u << which) && s->in_flight(got.slot)) ++wrong;
                }
                if (mine.size() > 8 || (got.outcome != pick_outcome::picked && !mine.empty())) {
                    job_feedback end;
                    end.slot = mine.back();
                    end.pred = q.pred;
                    end.end.exec_us = static_cast<double>(1 + (dice >> 24) % 10'000);
                    if ((dice >> 40) % 3 == 0) end.end.status = outcome_status::failed_by_infrastructure;
                    s->feedback(end, q.balancer);
                    if ((dice >> 44) % 16 == 0) s->straggler(mine.back(), *asked[which], std::chrono::milliseconds(20));
                    s->release(mine.back());
                    mine.pop_back();
                }
            }
            --working;
        });
    while (working.load()) {
        slot_ref& one = fleet[random() % fleet.size()];
        s->tick();
        s->standing(one);
        switch (random() % 4) {
            case 0:
                s->remove(one);
                one = enter();
                break;
            case 1: {
                std::uint32_t traits = 0;
                s->set_open(one, false);
                one = s->update(one, draw(traits)).value();
                who.write(one, traits);
                s->set_open(one, true);
                break;
            }
            default:
                s->set_open(one, false);
                const std::uint32_t closed_with = s->in_flight(one);
                std::this_thread::yield();
                wrong += s->in_flight(one) > closed_with;
                s->set_open(one, true);
        }
    }
    for (auto& t : threads) t.join();
    EXPECT_EQ(wrong.load(), 0u);
    EXPECT_GT(picked.load(), static_cast<std::uint64_t>(k_picks / 10));
    EXPECT_EQ(s->index_faults(), 0u);
    for (auto& mine : kept)
        for (const slot_ref& slot : mine) s->release(slot);
    for (const slot_ref& slot : fleet) EXPECT_EQ(s->in_flight(slot), 0u);
    EXPECT_EQ(s->index_faults(), 0u);
    EXPECT_EQ(s->index_repairs(), 0u);
}

TEST(selector_churn, mission_L2_counts_equal_a_recount_and_never_pass_the_places) {
    auto s = make_selector(all_balancers());
    constexpr std::uint32_t k_runners = 32;
    std::vector<slot_ref> fleet;
    for (std::uint32_t i = 0; i < k_runners; ++i)
        fleet.push_back(join(*s, profile(machine(), static_cast<std::uint16_t>(1 + i % 3))));
    auto places_of = [&](slot_ref slot) -> std::uint32_t {
        for (std::uint32_t i = 0; i < k_runners; ++i)
            if (fleet[i] == slot) return 1 + i % 3;
        return 0;
    };
    const auto p = s->intern(compiled(""));
    std::atomic<int> wrong{0};
    std::vector<std::vector<slot_ref>> kept(k_threads);
    std::vector<std::thread> threads;
    for (int t = 0; t < k_threads; ++t)
        threads.emplace_back([&, t] {
            pick_request q;
            q.pred = p.get();
            auto& mine = kept[static_cast<std::size_t>(t)];
            for (int i = 0; i < k_picks / k_threads; ++i) {
                q.balancer = static_cast<std::uint16_t>(1 + i % 3);
                const auto got = s->pick(q);
                if (got.outcome == pick_outcome::picked) {
                    const std::uint32_t now = s->in_flight(got.slot);
                    if (now == 0 || now > places_of(got.slot)) ++wrong;
                    mine.push_back(got.slot);
                }
                if (mine.size() == 4 || (got.outcome != pick_outcome::picked && !mine.empty())) {
                    s->release(mine.back());
                    mine.pop_back();
                }
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(wrong.load(), 0);
    std::map<std::uint32_t, std::uint32_t> recount;
    for (const auto& mine : kept)
        for (const slot_ref& slot : mine) ++recount[slot.slot];
    for (const slot_ref& slot : fleet) EXPECT_EQ(s->in_flight(slot), recount[slot.slot]);
    for (auto& mine : kept)
        for (const slot_ref& slot : mine) s->release(slot);
    for (const slot_ref& slot : fleet) EXPECT_EQ(s->in_flight(slot), 0u);
    EXPECT_EQ(s->index_faults(), 0u);
}

}  // namespace
