// Whose turn it is, of jobs that wait for the runners of a real selector.
#include "kernel/job/runner_place.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <thread>

namespace {

using namespace sigrun;
using namespace sigrun::test;
using std::chrono::minutes;
using std::chrono::seconds;

struct item : waiter {
    std::string name;
    std::string tenant;
    std::uint8_t band = 2;
    predicate_ptr pred;
    protocol_mask protocols = 0xffff;
    time_point deadline = time_point::max();
    std::uint64_t seq = 0;
    std::vector<std::uint32_t> not_on;
    std::uint32_t source = 0;
    std::uint16_t balancer = 0;
};
using item_ptr = std::shared_ptr<item>;

machine cores(int n) { return machine().set("cpu.cores", n); }

struct waiting_jobs {
    std::unique_ptr<selector> select = make_selector({scripted::make("none", propose_nothing)});
    wait_accounts tenants;
    wait_queue queue;
    std::uint64_t seq = 0;
    const time_point start = time_point(std::chrono::hours(1));

    predicate_ptr asks(std::string_view text) { return select->intern(compiled(text)); }
    void push(const item_ptr& w, time_point since) {
        wait_terms t;
        t.pred = w->pred;
        t.protocols = w->protocols;
        t.tenant = tenants.find(w->tenant);
        t.band = w->band;
        t.since = since;
        t.deadline = w->deadline;
        t.seq = w->seq;
        t.not_on = w->not_on;
        t.source = w->source;
        t.balancer = w->balancer;
        queue.push(w, std::move(t));
    }
    item_ptr add(std::string tenant, std::uint8_t band = 2, predicate_ptr pred = {}, std::string name = {},
                 time_point deadline = time_point::max()) {
        auto made = std::make_shared<item>();
        made->name = std::move(name);
        made->tenant = std::move(tenant);
        made->band = band;
        made->pred = pred ? std::move(pred) : asks("");
        made->deadline = deadline;
        made->seq = ++seq;
        push(made, start);
        return made;
    }
    void fresh(std::uint8_t band, std::string name, time_point since) {
        auto made = std::make_shared<item>();
        made->name = std::move(name);
        made->band = band;
        made->pred = asks("");
        made->tenant = "a";
        made->seq = ++seq;
        push(made, since);
    }
    item_ptr pop(slot_ref slot, time_point now, protocol_mask open = 0xffff) {
        return std::static_pointer_cast<item>(queue.pop(runner_place(*select, slot, open), now));
    }
    item_ptr pop(slot_ref slot) { return pop(slot, start); }
    std::string names(slot_ref slot, int n) {
        std::string out;
        for (int i = 0; i < n; ++i) {
            const auto w = pop(slot);
            out += w ? w->name : "-";
        }
        return out;
    }
    std::map<std::string, int> shares(slot_ref slot, int n) {
        std::map<std::string, int> out;
        for (int i = 0; i < n; ++i)
            if (const auto w = pop(slot)) ++out[w->tenant];
        return out;
    }
    void weigh(std::map<std::string, std::uint32_t> weights) {
        wait_accounts::rules_by_name rules;
        for (const auto& [name, weight] : weights) rules[name].weight = weight;
        tenants.set_rules({}, rules);
    }
};

TEST(wait_queue, band_then_deadline_then_age) {
    waiting_jobs w;
    const auto slot = join(*w.select, profile(cores(4)));
    w.add("a", 3, {}, "e");
    w.add("a", 2, {}, "c");
    w.add("a", 2, {}, "d");
    w.add("a", 2, {}, "b", w.start + minutes(5));
    w.add("a", 2, {}, "a", w.start + minutes(4));
    w.add("a", 4, {}, "f");
    w.add("a", 0, {}, "0");
    EXPECT_EQ(w.names(slot, 8), "0abcdef-");
    EXPECT_EQ(w.queue.size(), 0u);
}

TEST(wait_queue, a_place_gets_only_what_its_runner_and_its_protocols_can_serve) {
    waiting_jobs w;
    const auto small = join(*w.select, profile(cores(2))), big = join(*w.select, profile(cores(8)));
    w.add("a", 0, w.asks("cpu.cores >= 4"), "b");
    w.add("a", 2, {}, "a");
    EXPECT_EQ(w.pop(small)->name, "a");
    EXPECT_EQ(w.pop(small), nullptr);
    EXPECT_EQ(w.pop(big)->name, "b");
    auto grpc = std::make_shared<item>();
    grpc->pred = w.asks("");
    grpc->protocols = 0b0010;
    w.push(grpc, w.start);
    EXPECT_EQ(w.pop(big, w.start, 0b0101), nullptr);
    EXPECT_EQ(w.pop(big, w.start, 0b0011), grpc);
}

TEST(wait_queue, who_would_rather_wait_speaks_for_its_like_and_holds_back_nobody_else) {
    waiting_jobs w;
    const auto slot = join(*w.select, profile(machine()));
    auto add = [&](std::string name, std::uint32_t source, std::uint16_t balancer) {
        auto made = std::make_shared<item>();
        made->name = std::move(name);
        made->tenant = "a";
        made->pred = w.asks("");
        made->source = source;
        made->balancer = balancer;
        made->seq = ++w.seq;
        w.push(made, w.start);
        return made;
    };
    for (int i = 0; i < 1000; ++i) add("home", 1, 3);
    add("away", 2, 3);
    add("any", 1, 4);
    passed_lanes passed;
    auto pop = [&] {
        const auto got = w.queue.pop(runner_place(*w.select, slot, 0xffff), w.start, passed);
        return std::static_pointer_cast<item>(got);
    };
    const auto first = pop();
    ASSERT_EQ(first->name, "home");
    w.queue.pass(*first, passed);
    EXPECT_EQ(passed.size(), 0u) << "it does not wait there now";
    w.push(first, w.start);
    w.queue.pass(*first, passed);
    EXPECT_EQ(passed.size(), 1u);
    EXPECT_EQ(pop()->name, "away");
    EXPECT_EQ(pop()->name, "any");
    EXPECT_EQ(pop(), nullptr);
    passed.clear();
    EXPECT_EQ(pop(), first) << "it has not lost its turn";
    // A lane that ran empty and was forgotten is not mistaken for another one that has its number now.
    w.queue.pass(*add("gone", 9, 9), passed);
    while (const auto got = w.pop(slot)) EXPECT_TRUE(got->name == "home" || got->name == "gone");
    for (std::uint32_t i = 0; i < 600; ++i) {
        add("other", 100 + i, 0);
        EXPECT_NE(pop(), nullptr) << i;
    }
}

TEST(wait_queue, tenants_share_by_weight) {
    waiting_jobs w;
    const auto slot = join(*w.select, profile(cores(4)));
    w.weigh({{"a", 3}, {"b", 1}, {"c", 2}});
    for (int i = 0; i < 3000; ++i)
        for (const char* t : {"a", "b", "c"}) w.add(t);
    // Exact in every six in a row, whoever the runner begins with.
    for (int round = 0; round < 100; ++round)
        EXPECT_EQ(w.shares(slot, 6), (std::map<std::string, int>{{"a", 3}, {"b", 1}, {"c", 2}}));
    // Weights of now count, from the next turn on.
    w.weigh({{"a", 1}, {"b", 4}});
    w.shares(slot, 6);
    EXPECT_EQ(w.shares(slot, 600), (std::map<std::string, int>{{"a", 100}, {"b", 400}, {"c", 100}}));
}

TEST(wait_queue, who_floods_the_queue_does_not_hold_up_others) {
    waiting_jobs w;
    const auto slot = join(*w.select, profile(cores(4)));
    for (int i = 0; i < 10'000; ++i) w.add("flood", 2, w.asks("cpu.cores >= " + std::to_string(i % 4)));
    w.add("small");
    EXPECT_EQ(w.shares(slot, 2)["small"], 1);
    // A turn is not kept by a tenant that has nothing left.
    EXPECT_EQ(w.shares(slot, 10), (std::map<std::string, int>{{"flood", 10}}));
}

TEST(wait_queue, a_tenants_jobs_elsewhere_do_not_count_against_those_that_wait_here) {
    waiting_jobs w;
    const auto plain = join(*w.select, profile(cores(2))), gpu = join(*w.select, profile(cores(64)));
    const auto big = w.asks("cpu.cores == 64"), little = w.asks("cpu.cores == 2");
    for (int i = 0; i < 1000; ++i) {
        w.add("both", 2, big);
        w.add("both", 2, little);
        w.add("one", 2, big);
    }
    std::map<std::string, int> got;
    for (int i = 0; i < 100; ++i) {
        for (int k = 0; k < 5; ++k) EXPECT_EQ(w.pop(plain)->tenant, "both");
        ++got[w.pop(gpu)->tenant];
    }
    EXPECT_EQ(got, (std::map<std::string, int>{{"both", 50}, {"one", 50}}));
}

TEST(wait_queue, who_waits_long_rises_but_never_into_critical) {
    waiting_jobs w;
    const auto slot = join(*w.select, profile(cores(4)));
    w.queue.set_ageing(minutes(10));
    w.add("a", 4, {}, "old");
    // Background rises to low after 10 minutes, to normal after 20, to high after 30: then it is the oldest there.
    w.fresh(3, "low", w.start + minutes(19));
    EXPECT_EQ(w.pop(slot, w.start + minutes(19))->name, "old");
    w.add("a", 4, {}, "old");
    w.fresh(2, "normal", w.start + minutes(25));
    EXPECT_EQ(w.pop(slot, w.start + minutes(25))->name, "old");  // as old as a normal one, and came first
    w.add("a", 4, {}, "old");
    EXPECT_EQ(w.pop(slot, w.start + minutes(19))->name, "normal");
    EXPECT_EQ(w.pop(slot, w.start + minutes(19))->name, "low");
    w.fresh(1, "high", w.start + minutes(29));
    EXPECT_EQ(w.pop(slot, w.start + minutes(29))->name, "high");
    w.fresh(1, "high", w.start + minutes(30));
    w.fresh(0, "critical", w.start + minutes(30));
    EXPECT_EQ(w.pop(slot, w.start + minutes(300))->name, "critical");
    EXPECT_EQ(w.pop(slot, w.start + minutes(300))->name, "old");
    EXPECT_EQ(w.pop(slot, w.start + minutes(300))->name, "high");
}

TEST(wait_queue, ageing_can_be_off_and_be_changed_while_jobs_wait) {
    waiting_jobs w;
    const auto slot = join(*w.select, profile(cores(4)));
    const auto old = w.add("a", 3, {}, "old");
    w.add("a", 2, {}, "new");
    EXPECT_EQ(w.pop(slot, w.start + std::chrono::hours(1000))->name, "new");
    w.add("a", 2, {}, "new");
    w.queue.set_ageing(seconds(1));
    EXPECT_EQ(w.pop(slot, w.start)->name, "new");
    w.fresh(2, "new", w.start + seconds(1));
    EXPECT_EQ(w.pop(slot, w.start + seconds(1))->name, "old");
}

TEST(wait_queue, who_was_taken_out_is_not_popped_and_can_come_back) {
    waiting_jobs w;
    const auto slot = join(*w.select, profile(cores(4)));
    const auto first = w.add("a", 2, {}, "1"), second = w.add("a", 2, {}, "2");
    w.queue.remove(*first);
    w.queue.remove(*first);
    EXPECT_EQ(w.queue.size(), 1u);
    EXPECT_EQ(w.pop(slot), second);
    EXPECT_EQ(w.pop(slot), nullptr);
    w.push(first, w.start);
    w.push(first, w.start);
    EXPECT_EQ(w.queue.size(), 1u);
    EXPECT_EQ(w.pop(slot), first);
}

TEST(wait_queue, a_job_is_not_given_to_runners_it_must_not_go_to_and_holds_up_nobody_there) {
    waiting_jobs w;
    const auto bad = join(*w.select, profile(cores(4))), good = join(*w.select, profile(cores(4)));
    std::vector<item_ptr> shy;
    for (int i = 0; i < 100; ++i) {
        auto made = std::make_shared<item>();
        made->pred = w.asks("");
        made->tenant = "a";
        made->name = "s";
        made->seq = ++w.seq;
        made->not_on = {bad.slot};
        w.push(made, w.start);
        shy.push_back(made);
    }
    w.add("a", 2, {}, "b");
    EXPECT_EQ(w.names(bad, 2), "b-");
    EXPECT_EQ(w.pop(good), shy[0]);
    // Taken out and put back without the reservation.
    w.queue.remove(*shy[1]);
    shy[1]->not_on.clear();
    w.push(shy[1], w.start);
    EXPECT_EQ(w.pop(bad), shy[1]);
    EXPECT_EQ(w.pop(bad), nullptr);
    // The same runner under another number: it has moved since, with a job of its own.
    w.select->claim_existing(bad);
    const auto moved = w.select->update(bad, profile(cores(8), 4)).value();
    EXPECT_NE(moved.slot, bad.slot);
    EXPECT_EQ(w.pop(moved), nullptr);
    EXPECT_EQ(w.names(good, 99), std::string(98, 's') + "-");
}

TEST(wait_queue, what_runners_become_while_jobs_wait_is_seen) {
    waiting_jobs w;
    auto slot = join(*w.select, profile(cores(2)));
    w.add("a", 2, w.asks("cpu.cores >= 4"), "1");
    w.add("a", 2, w.asks("label.zone == \"eu\""), "2");
    EXPECT_EQ(w.pop(slot), nullptr);
    slot = w.select->update(slot, profile(cores(4))).value();
    EXPECT_EQ(w.names(slot, 2), "1-");
    slot = w.select->update(slot, profile(cores(4).label("zone", "eu"))).value();
    EXPECT_EQ(w.names(slot, 2), "2-");
    // Runners of one kind that differ in what is asked: a fact that is one's own.
    const auto first = join(*w.select, profile(cores(16).set("serial", "x", {.unique = true})));
    const auto other = join(*w.select, profile(cores(16).set("serial", "y", {.unique = true})));
    w.add("a", 2, w.asks("serial == \"y\""), "3");
    EXPECT_EQ(w.names(first, 1), "-");
    EXPECT_EQ(w.names(other, 1), "3");
    w.add("a", 2, w.asks("serial == \"z\""), "4");
    EXPECT_EQ(w.names(first, 1) + w.names(other, 1), "--");
    const auto now = w.select->update(first, profile(cores(16).set("serial", "z", {.unique = true}))).value();
    EXPECT_EQ(w.names(other, 1) + w.names(now, 1), "-4");
}

TEST(wait_queue, requirements_come_and_go_without_a_trace) {
    waiting_jobs w;
    const auto slot = join(*w.select, profile(cores(4)));
    for (int round = 0; round < 3; ++round)
        for (int i = 0; i < 2000; ++i) {
            const auto here = w.add("a", 2, w.asks("cpu.cores < " + std::to_string(i + 5)), "x");
            const auto nobody = w.add("a", 2, w.asks("cpu.cores > " + std::to_string(i + 5)), "y");
            ASSERT_EQ(w.pop(slot), here);
            ASSERT_EQ(w.pop(slot), nullptr);
            w.queue.remove(*nobody);
        }
    EXPECT_EQ(w.queue.size(), 0u);
}

TEST(wait_queue, heads_go_round_all_lanes) {
    waiting_jobs w;
    std::set<std::string> all, seen;
    for (int i = 0; i < 10; ++i) {
        for (int k = 0; k < 3; ++k) w.add("a", 2, w.asks("cpu.cores > " + std::to_string(i)), std::to_string(i));
        all.insert(std::to_string(i));
    }
    for (int i = 0; i < 5; ++i)
        for (const auto& each : w.queue.heads(2)) seen.insert(std::static_pointer_cast<item>(each)->name);
    EXPECT_EQ(seen, all);
    EXPECT_EQ(w.queue.heads(100).size(), 10u);
    EXPECT_EQ(w.queue.all().size(), 30u);
}

// Against the plain rule, with runners that change, lanes that come and go, and jobs that are taken out.
TEST(wait_queue, agrees_with_a_scan_of_everything) {
    std::mt19937 random(5);
    auto any = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    waiting_jobs w;
    auto runner = [&] {
        return profile(cores(any(6)).set("serial", any(4), {.unique = true}).label("zone", any(2) ? "eu" : "us"));
    };
    std::vector<slot_ref> slots;
    for (int i = 0; i < 40; ++i) slots.push_back(join(*w.select, runner()));
    std::vector<item_ptr> waiting;
    std::size_t popped = 0, refused = 0;
    for (int step = 0; step < 30'000; ++step) {
        const int what = any(20);
        if (what < 9 && waiting.size() < 400) {
            const std::string texts[] = {"cpu.cores >= " + std::to_string(any(8)),
                                         "serial == " + std::to_string(any(6)),
                                         std::string("label.zone == \"") + (any(2) ? "eu\"" : "us\"")};
            auto made = std::make_shared<item>();
            made->pred = w.asks(any(2) ? texts[any(3)] : texts[0] + " && " + texts[any(2) + 1]);
            made->protocols = static_cast<protocol_mask>(any(3) ? 0xffff : 1 << any(3));
            made->tenant = std::to_string(any(any(2) ? 3 : 60));
            made->band = static_cast<std::uint8_t>(any(5));
            if (!any(4)) made->deadline = w.start + seconds(any(100));
            made->seq = ++w.seq;
            w.push(made, w.start);
            waiting.push_back(made);
        } else if (what < 10 && !waiting.empty()) {
            const auto at = waiting.begin() + any(static_cast<int>(waiting.size()));
            w.queue.remove(**at);
            waiting.erase(at);
        } else if (what < 11) {
            auto& slot = slots[static_cast<std::size_t>(any(40))];
            slot = w.select->update(slot, runner()).value();
        } else {
            const auto slot = slots[static_cast<std::size_t>(any(40))];
            const auto open = any(2) ? protocol_mask{0xffff} : static_cast<protocol_mask>(1 << any(3));
            const auto got = w.pop(slot, w.start, open);
            std::vector<item_ptr> could;
            for (const auto& each : waiting)
                if ((each->protocols & open) && w.select->matches(*each->pred, slot)) could.push_back(each);
            ASSERT_EQ(got == nullptr, could.empty()) << step;
            if (!got) {
                ++refused;
                continue;
            }
            ++popped;
            ASSERT_NE(std::find(could.begin(), could.end(), got), could.end());
            for (const auto& each : could) {
                ASSERT_LE(got->band, each->band);
                if (each->band == got->band && each->tenant == got->tenant) {
                    ASSERT_LE(std::pair(got->deadline, got->seq), std::pair(each->deadline, each->seq));
                }
            }
            waiting.erase(std::find(waiting.begin(), waiting.end(), got));
        }
        ASSERT_EQ(w.queue.size(), waiting.size());
    }
    EXPECT_GT(popped, 3000u);
    EXPECT_GT(refused, 100u);
}

TEST(wait_queue, each_job_is_popped_once_by_whoever_is_first) {
    waiting_jobs w;
    std::vector<slot_ref> slots;
    for (int i = 0; i < 8; ++i) slots.push_back(join(*w.select, profile(cores(i))));
    constexpr int k_jobs = 4'000, k_threads = 4;
    std::vector<item_ptr> jobs(k_jobs * 2);
    for (int i = 0; i < k_jobs * 2; ++i) {
        auto& j = jobs[static_cast<std::size_t>(i)] = std::make_shared<item>();
        j->pred = w.asks("cpu.cores >= " + std::to_string(i % 8));
        j->tenant = std::to_string(i % 7);
        j->band = static_cast<std::uint8_t>(i % 5);
        j->seq = static_cast<std::uint64_t>(i);
    }
    w.queue.set_ageing(seconds(1));
    std::atomic<int> popped{0};
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
        for (const auto& j : jobs) w.push(j, w.start);
    });
    threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i) {
            const auto slot = slots[static_cast<std::size_t>(i % 4)];
            w.select->set_open(slot, i % 2);
            w.tenants.set_rules({static_cast<std::uint32_t>(1 + i % 3), 0}, {});
            for (const auto& head : w.queue.heads(1)) (void)head;
        }
    });
    for (int t = 0; t < k_threads; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; popped < k_jobs; ++i) {
                const auto slot = slots[static_cast<std::size_t>((i + t) % 8)];
                if (w.pop(slot, w.start + seconds(i % 4))) ++popped;
            }
        });
    for (auto& t : threads) t.join();
    const int so_far = popped;
    EXPECT_EQ(w.queue.size(), static_cast<std::size_t>(2 * k_jobs - so_far));
    while (w.pop(slots[7], w.start)) ++popped;
    EXPECT_EQ(popped, 2 * k_jobs);
}

TEST(wait_accounts, rules_hold_for_accounts_of_now_and_later) {
    wait_accounts all;
    const auto before = all.find("a");
    all.set_rules({2, 10}, {{"a", {5, 1}}});
    EXPECT_EQ(before->weight, 5u);
    EXPECT_EQ(before->most, 1u);
    EXPECT_EQ(all.find("b")->weight, 2u);
    EXPECT_EQ(all.find("a"), before);
    EXPECT_FALSE(before->full());
    before->waiting = 1;
    EXPECT_TRUE(before->full());
    all.set_rules({}, {});
    EXPECT_EQ(before->weight, 1u);
    EXPECT_FALSE(before->full());  // 0: no limit
}

}  // namespace
