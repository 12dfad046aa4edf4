// What a recording has can be asked again, and the same balancer gives the same answers bit by bit.
#include "kernel/select/recording/replay.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <random>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::test;

constexpr std::size_t k_space = 16u << 20;

struct busy_fleet {
    std::unique_ptr<selector> index;
    std::vector<slot_ref> slots;
    std::vector<predicate_ptr> asked;
    std::mt19937_64 random{7};

    explicit busy_fleet(const std::string& balancer) : index(make_selector({real_balancer(balancer)})) {
        for (int i = 0; i < 300; ++i) add();
        for (const char* text : {"", "kind < 3", "kind == 4"}) asked.push_back(index->intern(compiled(text)));
    }
    void add() {
        const auto kind = static_cast<int>(random() % 5);
        slots.push_back(join(*index, profile(machine().set("kind", kind).label("zone", kind % 2 ? "near" : "far"),
                                             static_cast<std::uint16_t>(1 + kind))));
    }
    /// Jobs come and end, runners come, close and open.
    void live(int steps) {
        std::vector<slot_ref> held;
        for (int i = 0; i < steps; ++i) {
            const auto what = random() % 100;
            if (what == 0) add();
            if (what == 1) index->set_open(slots[random() % slots.size()], random() % 2);
            if (what > 50 && !held.empty()) {
                std::swap(held[random() % held.size()], held.back());
                index->release(held.back());
                held.pop_back();
            }
            pick_request q;
            q.pred = asked[random() % asked.size()].get();
            q.affinity_key = random() % 3;
            q.may_wait = random() % 2;
            if (i % 50 == 0) {
                index->note_round_trip(slots[random() % slots.size()], std::chrono::microseconds(random() % 9000));
                index->note_waiting(static_cast<std::uint32_t>(random() % 40));
            }
            if (const auto got = index->pick(q); got.outcome == pick_outcome::picked) held.push_back(got.slot);
        }
        for (const slot_ref s : held) index->release(s);
    }
};

result<picks::replay_report> replayed(std::string_view bytes, const std::shared_ptr<instance>& by) {
    SIGRUN_TRY(who, picks::read_header(bytes));
    return picks::replay(who, bytes, by->table<sigrun_balancer>(SIGRUN_KIND_BALANCER), by->abi());
}

class pick_recording : public testing::TestWithParam<std::string> {};

TEST_P(pick_recording, replays_bit_by_bit_in_another_instance) {
    busy_fleet f(GetParam());
    f.live(500);  // the balancer has a past that the recording does not know
    ASSERT_TRUE(f.index->start_recording("", 2000, k_space));
    f.live(3000);
    const auto state = f.index->recording();
    EXPECT_TRUE(state.under_way && state.full);
    EXPECT_EQ(state.picks, 2000u);
    const std::string bytes = f.index->end_recording().value();
    EXPECT_FALSE(f.index->recording().under_way);
    for (int again = 0; again < 2; ++again) {
        const auto report = replayed(bytes, real_balancer(GetParam()));
        ASSERT_TRUE(report) << report.error().text();
        EXPECT_EQ(report->picks, 2000u);
        EXPECT_EQ(report->equal, 2000u);
        EXPECT_FALSE(report->first);
    }
}

INSTANTIATE_TEST_SUITE_P(balancers, pick_recording,
                         testing::Values("round_robin", "least_connections", "idle_first", "power_of_d", "performance",
                                         "affinity", "geographic"),
                         [](const auto& each) { return each.param; });

TEST(recording, another_balancer_answers_otherwise) {
    busy_fleet f("least_connections");
    ASSERT_TRUE(f.index->start_recording("", 500, k_space));
    f.live(800);
    const std::string bytes = f.index->end_recording().value();
    const auto report = replayed(bytes, real_balancer("round_robin"));
    ASSERT_TRUE(report);
    EXPECT_LT(report->equal, report->picks / 2);
    ASSERT_TRUE(report->first);
    EXPECT_NE(report->first->then.slot[0], report->first->now.slot[0]);
}

TEST(recording, one_of_many_threads_is_recorded_while_the_fleet_changes) {
    busy_fleet f("least_connections");
    ASSERT_TRUE(f.index->start_recording("least_connections", 5000, 64u << 20));
    std::atomic<bool> stop{false};
    std::vector<std::thread> others;
    for (int t = 0; t < 3; ++t)
        others.emplace_back([&] {
            pick_request q;
            q.pred = f.asked[0].get();
            while (!stop)
                if (const auto got = f.index->pick(q); got.outcome == pick_outcome::picked) f.index->release(got.slot);
        });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (std::size_t i = 0; !f.index->recording().full && std::chrono::steady_clock::now() < deadline; ++i) {
        f.index->set_open(f.slots[i % 100], false);
        f.index->set_open(f.slots[i % 100], true);
    }
    stop = true;
    for (auto& t : others) t.join();
    const auto report = replayed(f.index->end_recording().value(), real_balancer("least_connections"));
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_EQ(report->picks, 5000u);
    EXPECT_EQ(report->equal, 5000u);
    EXPECT_EQ(f.index->index_faults(), 0u);
}

TEST(recording, ends_where_its_space_does) {
    busy_fleet f("round_robin");
    ASSERT_TRUE(f.index->start_recording("", 1'000'000, 1u << 20));
    while (!f.index->recording().full) f.live(1000);
    const auto picks = f.index->recording().picks;
    const std::string bytes = f.index->end_recording().value();
    EXPECT_LE(bytes.size(), 1u << 20);
    EXPECT_GT(bytes.size(), 1u << 19);
    const auto report = replayed(bytes, real_balancer("round_robin"));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->picks, picks);
    EXPECT_EQ(report->equal, picks);
}

TEST(recording, is_refused_with_the_reason) {
    auto moody = scripted::make("moody", propose_nothing);  // not deterministic
    auto s = make_selector({real_balancer("round_robin"), moody});
    EXPECT_EQ(s->start_recording("nobody", 10, k_space).error().field, "balancer");
    EXPECT_EQ(s->start_recording("moody", 10, k_space).error().found, "moody");
    EXPECT_EQ(s->start_recording("", 0, k_space).error().field, "picks");
    EXPECT_EQ(s->start_recording("", 10, 1000).error().field, "bytes");
    EXPECT_FALSE(s->end_recording());
    ASSERT_TRUE(s->start_recording("", 10, k_space));
    EXPECT_EQ(s->start_recording("", 10, k_space).error().code, errc::busy);
    EXPECT_TRUE(s->end_recording());
}

TEST(recording, damage_is_found_and_named) {
    busy_fleet f("round_robin");
    ASSERT_TRUE(f.index->start_recording("", 20, k_space));
    f.live(40);
    const std::string whole = f.index->end_recording().value();
    const auto by = real_balancer("round_robin");
    ASSERT_TRUE(replayed(whole, by));
    for (std::size_t size = 0; size < whole.size(); size += size < 300 ? 1 : 97)
        EXPECT_FALSE(replayed(std::string_view(whole).substr(0, size), by)) << size;
    EXPECT_FALSE(replayed(whole + "x", by));
    std::string other = whole;
    other[3] = '!';
    EXPECT_EQ(replayed(other, by).error().field, "recording");
    // A page of a cohort that is not there.
    std::mt19937_64 random(3);
    for (int i = 0; i < 2000; ++i) {
        std::string bent = whole;
        bent[random() % bent.size()] = static_cast<char>(random());
        (void)replayed(bent, by);  // a problem or another answer, but no crash
    }
}

}  // namespace
