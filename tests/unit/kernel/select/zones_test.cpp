#include "kernel/select/zones.hpp"

#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace sigrun::test;

constexpr auto k_ms = [](double ms) { return nanoseconds(static_cast<std::int64_t>(ms * 1e6)); };

struct board : zone_board {
    sigrun_view view() const {
        sigrun_view v{};
        describe(v);
        return v;
    }
    std::uint32_t rtt(std::uint32_t from, std::uint32_t to) const {
        return view().zone_rtt_us[from * SIGRUN_ZONES + to];
    }
    std::vector<std::uint16_t> order(std::uint32_t from) const {
        const std::uint16_t* row = view().zone_order + from * SIGRUN_ZONES;
        return {row, row + view().n_zones};
    }
};
zone_declaration at(std::string name, double latitude, double longitude, double egress_ms = 0) {
    return {std::move(name), zone_declaration::point{latitude, longitude}, k_ms(egress_ms)};
}

TEST(zones, names_have_numbers_that_stay_and_there_is_room_for_1023) {
    board b;
    EXPECT_EQ(b.intern(""), 0);
    EXPECT_EQ(b.intern("eu"), 1);
    EXPECT_EQ(b.intern("us"), 2);
    EXPECT_EQ(b.intern("eu"), 1);
    EXPECT_EQ(b.intern(std::string(65, 'x')), 0);
    for (int i = 3; i <= 1023; ++i) ASSERT_EQ(b.intern("z" + std::to_string(i)), i);
    EXPECT_EQ(b.intern("one more"), 0);
    EXPECT_EQ(b.intern("us"), 2);
    EXPECT_EQ(b.view().n_zones, 1024u);
    EXPECT_EQ(b.source("one more"), SIGRUN_ZONE_UNKNOWN);
    const auto full = b.declare("", {at("another", 0, 0)});
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, errc::busy);
    EXPECT_EQ(b.declare("elsewhere", {}).error().code, errc::busy);
}

TEST(zones, coordinates_are_a_prior_at_two_thirds_of_the_speed_of_light) {
    board b;
    ASSERT_TRUE(b.declare(
        "fra", {at("fra", 50.11, 8.68), at("lon", 51.51, -0.13), at("syd", -33.87, 151.21), {"bare", {}, k_ms(7)}}));
    const auto fra = b.source("fra"), lon = b.source("lon"), syd = b.source("syd"), bare = b.source("bare");
    EXPECT_EQ(b.source(""), fra);
    EXPECT_NEAR(b.rtt(fra, lon), 6'390, 100);      // 638 km
    EXPECT_NEAR(b.rtt(lon, syd), 170'000, 1'500);  // 16,990 km
    EXPECT_EQ(b.rtt(lon, syd), b.rtt(syd, lon));
    EXPECT_EQ(b.rtt(fra, fra), 0u);
    EXPECT_EQ(b.rtt(bare, bare), 0u);
    EXPECT_EQ(b.rtt(fra, bare), SIGRUN_UNKNOWN_US);
    EXPECT_EQ(b.rtt(bare, lon), SIGRUN_UNKNOWN_US);
    EXPECT_EQ(b.order(fra), (std::vector<std::uint16_t>{1, 2, 3, 0, 4}));  // unknown ones last
    EXPECT_EQ(b.order(syd)[0], syd);
    EXPECT_EQ(b.view().zone[bare].egress_us, 7'000u);
    EXPECT_EQ(b.source("nowhere"), SIGRUN_ZONE_UNKNOWN);
    // Poles and the far side of the world are no special cases.
    ASSERT_TRUE(b.declare("", {at("fra", 90, 0), at("lon", -90, 77), at("syd", 90, 123)}));
    EXPECT_NEAR(b.rtt(fra, lon), 200'300, 500);
    EXPECT_LE(b.rtt(fra, syd), 1u);
    EXPECT_EQ(b.view().zone[bare].egress_us, 0u);  // declared before, not any more
    EXPECT_EQ(b.source(""), 0u);
}

TEST(zones, a_measurement_overrides_the_prior_from_here_only) {
    board b;
    ASSERT_TRUE(b.declare("a", {at("a", 0, 0), at("b", 0, 10), at("c", 0, 20)}));
    EXPECT_EQ(b.order(1), (std::vector<std::uint16_t>{1, 2, 3, 0}));
    b.source("b");
    const std::uint32_t between = b.rtt(2, 3);
    EXPECT_NEAR(between, 11'127, 50);  // 1,112 km
    b.note_round_trip(2, k_ms(90));
    b.note_round_trip(3, k_ms(40));
    EXPECT_EQ(b.rtt(1, 2), 90'000u);
    EXPECT_EQ(b.rtt(1, 3), 40'000u);
    EXPECT_EQ(b.order(1), (std::vector<std::uint16_t>{1, 3, 2, 0}));
    EXPECT_EQ(b.rtt(2, 3), between) << "of the way between others nothing was measured";
    EXPECT_EQ(b.rtt(2, 1), between);
    // Smoothed, and what came once does not stay for ever.
    b.note_round_trip(3, k_ms(400));
    EXPECT_NEAR(b.rtt(1, 3), 76'000, 1);
    for (int i = 0; i < 60; ++i) b.note_round_trip(3, k_ms(40));
    EXPECT_NEAR(b.rtt(1, 3), 40'000, 2'100);
    b.note_round_trip(3, nanoseconds(0));
    b.note_round_trip(3, nanoseconds(-5));
    EXPECT_NEAR(b.rtt(1, 3), 40'000, 2'100);
    // A change below 5 % orders nothing anew.
    const std::uint32_t told = b.rtt(1, 2);
    b.note_round_trip(2, k_ms(91));
    EXPECT_EQ(b.rtt(1, 2), told);
    // Without names at all: zone 0 is measured, too, and so is the way from a place that says not where it is.
    board bare;
    bare.note_round_trip(0, k_ms(3));
    bare.note_round_trip(bare.intern("x"), k_ms(1));
    EXPECT_EQ(bare.rtt(0, 0), 3'000u);
    EXPECT_EQ(bare.order(0), (std::vector<std::uint16_t>{1, 0}));
}

TEST(zones, places_times_and_who_waits) {
    board b;
    const auto z = b.intern("z");
    EXPECT_EQ(b.view().zone[z].exec_us, SIGRUN_UNKNOWN_US);
    b.note_exec(z, 1000);
    EXPECT_EQ(b.view().zone[z].exec_us, 1000u);
    for (int i = 0; i < 200; ++i) b.note_exec(z, 5000);
    EXPECT_NEAR(b.view().zone[z].exec_us, 5000, 20);
    b.note_exec(z, ~0ull);  // longer than the field can say
    EXPECT_LT(b.view().zone[z].exec_us, SIGRUN_UNKNOWN_US);
    b.add_places(z, 64);
    b.add_places(z, -60);
    EXPECT_EQ(b.view().zone[z].places, 4u);
    b.note_waiting(7);
    EXPECT_EQ(*b.view().waiting, 7u);
}

runner_profile in_zone(const std::string& zone, std::uint16_t places = 1) {
    return profile(zone.empty() ? machine() : machine().label("zone", zone), places);
}

TEST(selector_zones, runners_are_in_the_zone_that_their_label_names) {
    auto s = make_selector({real_balancer("geographic")});
    std::map<std::string, slot_ref> slot;
    for (const char* zone : {"near", "far", ""}) slot[zone] = join(*s, in_zone(zone, 2));
    const auto p = s->intern(compiled(""));
    auto pick = [&](std::uint32_t source, bool may_wait = false) {
        pick_request q;
        q.pred = p.get();
        q.source_zone = source;
        q.may_wait = may_wait;
        return s->pick(q);
    };
    // Nothing was measured: from here every zone is equally good.
    EXPECT_EQ(pick(s->zone_source("")).explain.reason, SIGRUN_WHY_IDLE_TIER);
    EXPECT_EQ(s->zone_source("moon"), SIGRUN_ZONE_UNKNOWN);
    for (const auto& [zone, at] : slot)
        while (s->in_flight(at)) s->release(at);
    s->note_round_trip(slot["near"], k_ms(1));
    s->note_round_trip(slot["far"], k_ms(50));
    EXPECT_EQ(pick(0).slot, slot["near"]);
    EXPECT_EQ(pick(0).explain.reason, SIGRUN_WHY_ZONE);
    // Full, and nobody knows for how long.
    pick_result away = pick(0, true);
    EXPECT_EQ(away.slot, slot["far"]);
    EXPECT_EQ(away.explain.reason, SIGRUN_WHY_ZONE_SPILL);
    s->release(away.slot);
    // A place there is free again every 2 ms.
    job_feedback done;
    done.slot = slot["near"];
    done.end.exec_us = 4'000;
    s->feedback(done, 0);
    EXPECT_TRUE(pick(0, true).rather_waits());
    away = pick(0, false);
    EXPECT_EQ(away.slot, slot["far"]);
    s->release(away.slot);
    s->note_waiting(23);
    EXPECT_TRUE(pick(0, true).rather_waits());
    s->note_waiting(24);  // that, and one more, is as long as the way
    away = pick(0, true);
    EXPECT_EQ(away.slot, slot["far"]);
    EXPECT_FALSE(away.rather_waits());
    s->release(away.slot);
    s->release(slot["near"]);
    EXPECT_EQ(pick(0, true).slot, slot["near"]);
    // From "far" nobody knows how far the others are.
    const pick_result there = pick(s->zone_source("far"));
    EXPECT_EQ(there.slot, slot["far"]);
    EXPECT_EQ(there.explain.reason, SIGRUN_WHY_ZONE);
    // It moves to the zone nearby, and is there with its jobs.
    while (s->in_flight(slot["near"])) s->release(slot["near"]);
    s->release(there.slot);
    s->set_open(slot["near"], false);
    slot["far"] = s->update(slot["far"], in_zone("near", 2)).value();
    EXPECT_EQ(pick(0).slot, slot["far"]);
    EXPECT_EQ(pick(0).explain.reason, SIGRUN_WHY_ZONE);
}

TEST(selector_zones, closed_runners_are_no_places_to_wait_for) {
    auto s = make_selector({real_balancer("geographic")});
    const slot_ref a = join(*s, in_zone("near")), far = join(*s, in_zone("far", 100));
    slot_ref b = join(*s, in_zone("near")), c = join(*s, in_zone("near"));
    s->note_round_trip(a, k_ms(1));
    s->note_round_trip(far, k_ms(51));
    const auto p = s->intern(compiled(""));
    pick_request q;
    q.pred = p.get();
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(s->pick(q).slot != far);
    job_feedback done;
    done.slot = a;
    done.end.exec_us = 103'000;
    done.end.rtt_us = 1'000;  // a place is held for that, too
    s->feedback(done, 0);
    // One more job: with n places it waits 104/n ms. 50 ms further away is a place at once.
    q.may_wait = true;
    auto waits = [&] {
        const pick_result got = s->pick(q);
        if (got.outcome == pick_outcome::picked) s->release(got.slot);
        return got.rather_waits();
    };
    EXPECT_TRUE(waits());  // 35 ms
    s->set_open(b, false);
    s->set_open(b, false);
    EXPECT_FALSE(waits());  // 52 ms
    s->set_open(b, true);
    s->set_open(b, true);
    EXPECT_TRUE(waits());
    b = s->update(b, profile(machine().label("zone", "near").label("colour", "red"), 1)).value();
    EXPECT_TRUE(waits()) << "it has moved in the index, with its job";
    c = s->update(c, in_zone("far")).value();
    EXPECT_FALSE(waits()) << "it is elsewhere now";
    s->remove(b);
    s->set_open(a, false);
    EXPECT_FALSE(waits()) << "nobody is left";
    EXPECT_NE(s->pick(q).slot, a);
}

TEST(selector_zones, a_zone_of_its_own_each_stays_a_zone_although_the_label_is_left_out_of_kinds) {
    auto s = make_selector({real_balancer("geographic")});
    std::vector<slot_ref> slots;
    for (int i = 0; i < 300; ++i) slots.push_back(join(*s, in_zone("z" + std::to_string(i))));
    for (int i = 0; i < 300; ++i) s->note_round_trip(slots[static_cast<std::size_t>(i)], k_ms(300 - i));
    const auto p = s->intern(compiled(""));
    for (int i = 299; i >= 0; --i) {
        pick_request q;
        q.pred = p.get();
        ASSERT_EQ(s->pick(q).slot, slots[static_cast<std::size_t>(i)]);
    }
    // Declared anew while others pick: the zones are still known.
    ASSERT_TRUE(s->declare_zones("z7", {at("z7", 0, 0), at("brand new", 0, 1)}));
    s->release(slots[7]);
    s->release(slots[8]);
    pick_request q;
    q.pred = p.get();
    q.source_zone = s->zone_source("z7");
    EXPECT_EQ(s->pick(q).slot, slots[8]) << "measured from here, and nearer";
    q.source_zone = s->zone_source("brand new");
    EXPECT_EQ(s->pick(q).slot, slots[7]);
}

}  // namespace
