// Which jobs are on which runner, as the job engine asks it.
#include "daemon_parts.hpp"

#include <map>
#include <set>

namespace {

using namespace sigrun;

struct placed : testing::Test {
    serve_test::daemon_parts daemon;  // a job belongs to an engine
    placed_jobs places;
    job_ptr make() { return std::make_shared<job>(*daemon.jobs, id::make(), nullptr); }
    std::set<job*> on(const id& runner) {
        std::set<job*> all;
        for (const auto& j : places.on(runner)) all.insert(j.get());
        return all;
    }
};

TEST_F(placed, a_job_is_on_the_runner_it_was_put_on_last_and_on_no_other) {
    const auto a = id::make(), b = id::make();
    auto one = make(), two = make();
    EXPECT_TRUE(places.on(a).empty());
    places.put(one->placed, a);
    places.put(two->placed, a);
    EXPECT_EQ(on(a), (std::set{one.get(), two.get()}));
    places.put(one->placed, b);
    places.put(one->placed, b);
    EXPECT_EQ(on(a), std::set{two.get()});
    EXPECT_EQ(on(b), std::set{one.get()});
    places.remove(one->placed);
    places.remove(one->placed);
    EXPECT_TRUE(places.on(b).empty());
    places.remove(two->placed);
}

TEST_F(placed, tidying_keeps_those_that_have_jobs) {
    const auto a = id::make();
    auto one = make();
    places.tidy(a);
    places.put(one->placed, a);
    places.tidy(a);
    EXPECT_EQ(on(a), std::set{one.get()});
    places.remove(one->placed);
    places.tidy(a);
    EXPECT_TRUE(places.on(a).empty());
    places.put(one->placed, a);
    EXPECT_EQ(on(a), std::set{one.get()});
    places.remove(one->placed);
}

TEST_F(placed, a_thousand_moves_agree_with_a_plain_map) {
    std::vector<id> runners;
    std::vector<job_ptr> jobs;
    for (int i = 0; i < 5; ++i) runners.push_back(id::make());
    for (int i = 0; i < 20; ++i) jobs.push_back(make());
    std::map<job*, id> plain;
    for (int i = 0; i < 1000; ++i) {
        auto& j = *jobs[random_u64() % jobs.size()];
        if (random_u64() % 3) {
            plain[&j] = runners[random_u64() % runners.size()];
            places.put(j.placed, plain[&j]);
        } else {
            plain.erase(&j);
            places.remove(j.placed);
        }
        for (const auto& r : runners) {
            std::set<job*> expected;
            for (const auto& [which, where] : plain)
                if (where == r) expected.insert(which);
            ASSERT_EQ(on(r), expected) << "after " << i;
        }
    }
    for (const auto& j : jobs) places.remove(j->placed);
}

TEST_F(placed, threads_put_and_remove_while_others_look) {
    const auto a = id::make(), b = id::make();
    std::atomic<bool> over{false};
    std::thread looks([&] {
        while (!over)
            for (const auto& r : {a, b})
                for (const auto& j : places.on(r)) EXPECT_NE(j, nullptr);
    });
    std::vector<std::thread> writers;
    for (int t = 0; t < 2; ++t)
        writers.emplace_back([&] {
            for (int i = 0; i < 5000; ++i) {
                auto j = make();
                for (const auto& r : {a, b}) {
                    std::lock_guard lock(j->mutex);
                    places.put(j->placed, r);
                }
                std::lock_guard lock(j->mutex);
                places.remove(j->placed);
            }
        });
    for (auto& w : writers) w.join();
    over = true;
    looks.join();
    EXPECT_TRUE(places.on(a).empty());
    EXPECT_TRUE(places.on(b).empty());
}

}  // namespace
