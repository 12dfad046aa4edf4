// Names whose lookup hangs, many at once: the others are still resolved.
#include "resolver.hpp"

#include "rig.hpp"

#include <condition_variable>

using namespace rig;
using sigrun::valkyrie::address;
using sigrun::valkyrie::endpoint;
using sigrun::valkyrie::resolver;

namespace {

/// Names that begin with "dead" hang until released; others have one address.
struct world {
    sdk::mock_host host;
    std::mutex mutex;
    std::condition_variable changed;
    bool released = false;
    std::vector<std::string> asked;  // lookups that have begun
    std::atomic<int> answered{0}, good{0};
    resolver names{host.get(), [this](const endpoint& where, std::string& why) {
                       std::unique_lock lock(mutex);
                       asked.push_back(where.host);
                       if (where.host.substr(0, 4) != "dead") return std::vector<address>(1);
                       changed.wait(lock, [this] { return released; });
                       why = "dead";
                       return std::vector<address>();
                   }};
    ~world() { release(); }
    void release() {
        std::lock_guard lock(mutex);
        released = true;
        changed.notify_all();
    }
    std::size_t begun() {
        std::lock_guard lock(mutex);
        return asked.size();
    }
    void resolve(const std::string& name, std::uint64_t deadline = in_ms(60'000)) {
        endpoint where;
        where.host = name;
        where.port = 1;
        names.resolve(where, deadline, [this](std::vector<address> found, const std::string&) {
            good += !found.empty();
            ++answered;
        });
    }
};

}  // namespace

TEST(valkyrie_resolver, a_dead_name_does_not_hold_up_the_others) {
    world w;
    for (int i = 0; i < 20; ++i) w.resolve(i % 2 ? "dead-1" : "dead-2");  // two lookups, however often they are dialled
    ASSERT_TRUE(eventually([&] { return w.begun() == 2; }));
    for (int i = 0; i < 5; ++i) w.resolve(sdk::concat("live-", i));
    EXPECT_TRUE(eventually([&] { return w.good == 5; }));
    EXPECT_EQ(w.answered, 5);
    w.release();
    EXPECT_TRUE(eventually([&] { return w.answered == 25; }));
    EXPECT_EQ(w.begun(), 7u);
}

TEST(valkyrie_resolver, at_most_four_lookups_run_and_none_begins_for_a_deadline_that_has_passed) {
    world w;
    for (int i = 0; i < 6; ++i) w.resolve(sdk::concat("dead-", i));
    w.resolve("late", in_ms(1));
    ASSERT_TRUE(eventually([&] { return w.begun() == 4; }));
    EXPECT_LE(w.host.live_threads(), 4u);
    const auto until = in_ms(2);
    ASSERT_TRUE(eventually([&] { return in_ms(0) > until; }));
    w.release();
    EXPECT_TRUE(eventually([&] { return w.answered == 7; }));
    EXPECT_EQ(w.begun(), 6u);
    EXPECT_EQ(w.good, 0);
}

TEST(valkyrie_resolver, stop_answers_what_waits_without_looking_it_up) {
    world w;
    for (int i = 0; i < 10; ++i) w.resolve(sdk::concat("dead-", i));
    ASSERT_TRUE(eventually([&] { return w.begun() == 4; }));
    std::thread stopping([&] { w.names.stop(); });
    w.release();
    stopping.join();
    EXPECT_EQ(w.answered, 10);
    EXPECT_EQ(w.host.live_threads(), 0u);
    w.resolve("after");
    EXPECT_EQ(w.answered, 11);
    EXPECT_EQ(w.good, 0);
}
