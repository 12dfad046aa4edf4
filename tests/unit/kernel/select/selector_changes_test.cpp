// What changes of runners do to the index beside the runner itself: old facts, kinds that come back, shared labels.
#include "kernel/select/handover_mutex.hpp"
#include "kernel/select/label_pool.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <sigrun/cpp/fleet_view.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <set>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::test;

pick_request request(const predicate_ptr& p) {
    pick_request r;
    r.pred = p.get();
    return r;
}

machine loaded(int load, std::int64_t observed_ns) {
    machine m;
    m.set("load", load, {.volatility = fact_volatility::fast, .ttl_s = 10, .observed_ns = observed_ns});
    return m;
}

TEST(selector_changes, of_runners_whose_facts_grow_old_at_different_times_the_fresh_ones_stay) {
    auto s = make_selector({real_balancer("round_robin")});
    const std::int64_t now = clock::system().wall_ns(), old = now - 9'900'000'000;
    std::vector<slot_ref> fresh;
    for (int i = 0; i < 300; ++i) {
        const slot_ref slot = join(*s, profile(loaded(1, i % 3 ? old : now), 1000));
        if (i % 3 == 0) fresh.push_back(slot);
    }
    const auto p = s->intern(compiled("load == 1"));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (clock::system().wall_ns() < old + 10'010'000'000 && std::chrono::steady_clock::now() < end)
        std::this_thread::yield();
    // Nobody has swept: each pick finds out by itself.
    for (int i = 0; i < 2000; ++i) {
        const auto got = s->pick(request(p));
        ASSERT_EQ(got.outcome, pick_outcome::picked);
        EXPECT_NE(std::find(fresh.begin(), fresh.end(), got.slot), fresh.end());
        s->release(got.slot);
    }
    EXPECT_EQ(s->explain(*compiled("load == 1")).matching, fresh.size());
}

TEST(selector_changes, a_tick_forgets_old_facts_and_finds_who_matches_for_that) {
    auto s = make_selector({real_balancer("round_robin")});
    const std::int64_t old = clock::system().wall_ns() - 9'900'000'000;
    const slot_ref slot = join(*s, profile(loaded(1, old)));
    const auto fits = s->intern(compiled("load == 1")), has_aged = s->intern(compiled("!known(load)"));
    EXPECT_TRUE(s->matches(*fits, slot));
    EXPECT_FALSE(s->matches(*has_aged, slot));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!s->matches(*has_aged, slot) && std::chrono::steady_clock::now() < end) {
        s->tick();
        std::this_thread::yield();
    }
    EXPECT_TRUE(s->matches(*has_aged, slot));
    EXPECT_FALSE(s->matches(*fits, slot));
    EXPECT_EQ(s->pick(request(has_aged)).slot, slot);
}

TEST(selector_changes, a_pick_that_finds_nothing_else_finds_who_matches_since_its_facts_are_old) {
    auto s = make_selector({real_balancer("round_robin")});
    const slot_ref slot = join(*s, profile(loaded(1, clock::system().wall_ns() - 9'900'000'000)));
    const auto has_aged = s->intern(compiled("!known(load)"));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    pick_result got = s->pick(request(has_aged));
    while (got.outcome != pick_outcome::picked && std::chrono::steady_clock::now() < end)
        got = s->pick(request(has_aged));
    EXPECT_EQ(got.slot, slot);
}

TEST(selector_changes, a_machine_that_becomes_what_it_was_gets_its_page_again) {
    std::atomic<std::uint64_t> layout{0};
    auto s = make_selector({scripted::make(
        "look", [&](const sigrun_view& view, const sigrun_req&, const std::uint64_t*, sigrun_pick& out) {
            layout = view.layout;
            out.n = 0;
        })});
    const auto with = [](int cores) { return profile(machine().set("cores", cores)); };
    const auto two = s->intern(compiled("cores == 2")), four = s->intern(compiled("cores == 4"));
    slot_ref slot = join(*s, with(2));
    slot = s->update(slot, with(4)).value();
    const std::uint32_t page_of_four = slot.slot / 64;
    s->release(s->pick(request(four)).slot);
    const std::uint64_t before = layout;
    for (int i = 0; i < 10; ++i) {
        slot = s->update(slot, with(2)).value();
        EXPECT_EQ(s->pick(request(four)).outcome, pick_outcome::unschedulable);
        const auto got = s->pick(request(two));
        EXPECT_EQ(got.slot, slot);
        s->release(got.slot);
        slot = s->update(slot, with(4)).value();
        EXPECT_EQ(slot.slot / 64, page_of_four);
        const auto back = s->pick(request(four));
        EXPECT_EQ(back.slot, slot);
        s->release(back.slot);
    }
    EXPECT_EQ(layout, before);
    EXPECT_EQ(s->index_faults(), 0u);
}

TEST(selector_changes, kinds_that_come_and_go_do_not_use_up_the_pages) {
    auto s = make_selector({real_balancer("round_robin")}, 100);
    slot_ref slot = join(*s, profile(machine().set("cores", 0)));
    // Far more than there are pages for so few runners.
    for (int cores = 1; cores < 5000; ++cores) {
        const auto moved = s->update(slot, profile(machine().set("cores", cores)));
        ASSERT_TRUE(moved) << cores << ": " << moved.error().text();
        slot = *moved;
    }
    const auto p = s->intern(compiled("cores == 4999"));
    EXPECT_EQ(s->pick(request(p)).slot, slot);
    EXPECT_EQ(s->pick(request(s->intern(compiled("cores == 4998")))).outcome, pick_outcome::unschedulable);
}

TEST(selector_changes, the_plane_of_all_tiers_says_what_the_tiers_say) {
    std::atomic<int> looks{0}, wrong{0};
    auto s = make_selector({scripted::make(
        "look", [&](const sigrun_view& view, const sigrun_req&, const std::uint64_t*, sigrun_pick& out) {
            out.n = 0;
            if (!sdk::has_all_tiers(view)) ++wrong;
            for (std::uint32_t page = 0; page < view.n_pages; ++page) {
                std::uint64_t slots = 0, pages = 0;
                for (const auto* plane : view.idle) slots |= plane[page];
                for (const auto* plane : view.page_any) pages |= plane[page / 64];
                wrong += slots != view.idle_all[page];
                wrong += (slots != 0) != (view.page_any_all[page / 64] >> page % 64 & 1);
                wrong += (slots != 0) && !(pages >> page % 64 & 1);
            }
            ++looks;
        })});
    std::vector<slot_ref> all;
    for (int i = 0; i < 200; ++i)
        all.push_back(join(*s, profile(machine().set("cores", i % 5), static_cast<std::uint16_t>(1 + i % 4))));
    const auto p = s->intern(compiled("cores >= 1"));
    std::vector<slot_ref> held;
    for (int i = 0; i < 2000; ++i) {
        if (const auto got = s->pick(request(p)); got.outcome == pick_outcome::picked) held.push_back(got.slot);
        if (i % 3 == 0 && !held.empty()) s->release(held[static_cast<std::size_t>(i) % held.size()]);
        if (i % 7 == 0) s->set_open(all[static_cast<std::size_t>(i) % all.size()], i % 2);
    }
    EXPECT_GT(looks, 50);  // until it is not asked any more, as it proposes nothing
    EXPECT_EQ(wrong, 0);
}

TEST(selector_changes, balancers_see_which_runners_of_a_kind_match) {
    for (const char* name : {"round_robin", "least_connections", "idle_first", "power_of_d", "performance"}) {
        auto s = make_selector({real_balancer(name)});
        std::set<std::uint32_t> fit;
        for (int i = 0; i < 640; ++i) {
            machine m;
            m.set("perf", i % 20, {.volatility = fact_volatility::slow});
            const slot_ref slot = join(*s, profile(m));
            if (i % 20 == 7) fit.insert(slot.slot);
        }
        const auto p = s->intern(compiled("perf == 7"));
        std::vector<slot_ref> held;
        for (std::size_t i = 0; i < fit.size(); ++i) {
            const auto got = s->pick(request(p));
            ASSERT_EQ(got.outcome, pick_outcome::picked) << name;
            EXPECT_NE(got.explain.reason, SIGRUN_WHY_BUILTIN_FALLBACK) << name << ", pick " << i;
            EXPECT_TRUE(fit.contains(got.slot.slot)) << name;
            held.push_back(got.slot);
        }
        EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::queued) << name;
        // One more that matches, where all others of its page and kind do not.
        for (const slot_ref& slot : held) s->release(slot);
        EXPECT_EQ(s->pick(request(p)).outcome, pick_outcome::picked) << name;
    }
}

TEST(selector_changes, what_a_view_says_of_matching_slots_is_what_requirements_say) {
    std::atomic<int> looks{0}, wrong{0};
    std::set<std::uint32_t> fit;
    auto s = make_selector({scripted::make(
        "look", [&](const sigrun_view& view, const sigrun_req&, const std::uint64_t* pages, sigrun_pick& out) {
            out.n = 0;
            ++looks;
            for (std::uint32_t slot = 0; slot < view.n_slots; ++slot) {
                const bool page = pages[slot / 4096] >> slot / 64 % 64 & 1;
                const bool says = page && (sdk::matching_slots(view, slot / 64) >> slot % 64 & 1);
                wrong += fit.contains(slot) != (says && view.identity[slot] != 0);
            }
        })});
    for (int i = 0; i < 300; ++i) {
        machine m;
        m.set("cores", i % 3).set("perf", i % 5, {.volatility = fact_volatility::slow});
        runner_profile r = profile(m);
        r.identity = static_cast<std::uint64_t>(i) + 1;
        const slot_ref slot = join(*s, r);
        // Of those with one core by kind, of those with two by each.
        if (i % 3 == 1 || (i % 3 == 2 && i % 5 == 4)) fit.insert(slot.slot);
    }
    s->pick(request(s->intern(compiled("cores == 1 || (cores == 2 && perf == 4)"))));
    EXPECT_GT(looks, 0);
    EXPECT_EQ(wrong, 0);
}

TEST(selector_changes, equal_labels_are_kept_once_and_forgotten_with_their_last_runner) {
    label_pool pool;
    const auto labels = [](const std::string& zone) {
        return std::make_shared<const label_map>(label_map{{"zone", zone}, {"disk", "ssd"}});
    };
    EXPECT_EQ(pool.share(nullptr), nullptr);
    auto first = pool.share(labels("eu"));
    EXPECT_EQ(pool.share(labels("eu")), first);
    EXPECT_NE(pool.share(labels("us")), first);
    EXPECT_EQ(pool.share(labels("eu"))->at("zone"), "eu");
    std::weak_ptr<const label_map> gone = first;
    first.reset();
    EXPECT_TRUE(gone.expired());
    EXPECT_EQ(pool.share(labels("eu"))->at("zone"), "eu");
}

TEST(selector_changes, the_mutex_of_changes_lets_in_one_at_a_time_and_nobody_is_left_at_the_door) {
    handover_mutex mutex;
    constexpr int k_each = 2000;
    int inside = 0, total = 0;
    std::atomic<int> wrong{0};
    const auto work = [&] {
        for (int i = 0; i < k_each; ++i) {
            if (i % 4 == 0 && mutex.try_lock()) {
                wrong += inside++ != 0;
                --inside;
                mutex.unlock();
            }
            const std::lock_guard lock(mutex);
            wrong += inside++ != 0;
            ++total;
            --inside;
        }
    };
    std::thread others[] = {std::thread(work), std::thread(work), std::thread(work)};
    work();
    for (auto& t : others) t.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(total, 4 * k_each);
    ASSERT_TRUE(mutex.try_lock());
    EXPECT_FALSE(std::async(std::launch::async, [&] { return mutex.try_lock(); }).get());
    mutex.unlock();
}

}  // namespace
