// Interfaces between plugins: who gets what when, what a lease keeps alive, and what happens when either side goes.
#include "kernel/plugin/broker.hpp"

#include "kernel/plugin/guest.hpp"
#include "plugin_folder.hpp"

#include <sigrun/cpp/broker.hpp>
#include <sigrun/cpp/error.hpp>

#include <boost/asio/post.hpp>

#include <condition_variable>
#include <future>
#include <thread>

namespace sigrun {
namespace {

using namespace testing;
constexpr std::chrono::seconds k_patience{20};

// A follower written by hand: the plugins of the fixtures follow nothing.
struct follower {
    std::mutex mutex;
    std::condition_variable news;
    int notices = 0;
    static void notice(void* self) {
        auto& me = *static_cast<follower*>(self);
        std::lock_guard lock(me.mutex);
        ++me.notices;
        me.news.notify_all();
    }
    bool wait_for(int n) {
        std::unique_lock lock(mutex);
        return news.wait_for(lock, k_patience, [&] { return notices >= n; });
    }
};

// Providers come from a real host with the fixture plugin `plain`; the follower is a guest of its own beside it.
struct two_sides {
    plugin_folder folder;
    metrics numbers;
    std::unique_ptr<plugin_host> host;
    std::shared_ptr<runtime> rt = std::make_shared<runtime>(numbers);
    guest& mine = guest::make(900'000, "test.follower", rt);
    host_face& face = mine.add_face("follower");
    const sigrun_svc_broker* service =
        static_cast<const sigrun_svc_broker*>(face.abi.get_service(&face.abi, sdk::str(SIGRUN_SVC_BROKER)));
    std::shared_ptr<instance> now;  // whom the finder knows; under mutex
    std::mutex mutex;

    two_sides() {
        folder.add("plain");
        host = std::make_unique<plugin_host>(folder.options(), settings{}, numbers);
        host->load_all().value();
        host->start_all().value();
    }
    ~two_sides() {
        {
            std::lock_guard lock(mutex);
            now.reset();
        }
        rt->exchange->drop(mine);
        rt->exchange->close();
        host->shutdown();
        rt->stop();
        mine.retire();
    }
    std::shared_ptr<instance> plain() { return host->find(SIGRUN_KIND_PROBE, "plain"); }
    void provide(std::shared_ptr<instance> which) {
        {
            std::lock_guard lock(mutex);
            now = std::move(which);
        }
        rt->exchange->open([this](std::string_view name) {
            std::lock_guard lock(mutex);
            return name == "plain" ? now : nullptr;
        });
    }
    std::uint64_t follow(follower& who, std::string_view interface_id = SIGRUN_KIND_PROBE) {
        std::uint64_t id = 0;
        sdk::error_text error;
        auto r = service->follow(&face.abi, sdk::str("plain"), sdk::str(interface_id), &follower::notice, &who, &id,
                                 &error.abi);
        EXPECT_EQ(r, SIGRUN_OK) << error.text();
        return id;
    }
    sigrun_result acquire(std::uint64_t id, sigrun_grant& grant) {
        grant = {};
        grant.struct_size = sizeof grant;
        return service->acquire(&face.abi, id, &grant);
    }
    /// What was posted to the control thread before has run.
    void settle() {
        std::promise<void> ran;
        boost::asio::post(rt->control, [&] { ran.set_value(); });
        ran.get_future().wait();
    }
};

TEST(broker, a_follower_is_told_when_the_provider_comes_and_gets_its_table) {
    two_sides t;
    ASSERT_NE(t.service, nullptr);
    follower who;
    const auto id = t.follow(who);
    sigrun_grant grant;
    t.settle();
    EXPECT_EQ(who.notices, 0);
    EXPECT_EQ(t.acquire(id, grant), SIGRUN_E_NOT_FOUND);
    t.provide(t.plain());
    ASSERT_TRUE(who.wait_for(1));
    ASSERT_EQ(t.acquire(id, grant), SIGRUN_OK);
    EXPECT_EQ(grant.instance, t.plain()->abi());
    EXPECT_EQ(grant.table, t.plain()->table<void>(SIGRUN_KIND_PROBE));
    EXPECT_EQ(grant.generation, t.plain()->generation_number());
    t.service->release(&t.face.abi, grant.lease);
}

TEST(broker, it_is_told_once_per_change) {
    two_sides t;
    follower who;
    t.provide(t.plain());
    (void)t.follow(who);
    ASSERT_TRUE(who.wait_for(1));
    t.rt->exchange->look_again();
    t.rt->exchange->look_again();
    t.settle();
    EXPECT_EQ(who.notices, 1);
    t.provide(nullptr);
    ASSERT_TRUE(who.wait_for(2));
    t.settle();
    EXPECT_EQ(who.notices, 2);
}

TEST(broker, a_provider_lives_as_long_as_its_lease) {
    two_sides t;
    follower who;
    auto provider = t.plain();
    std::weak_ptr<instance> watched = provider;
    const auto held = provider.use_count();
    t.provide(std::move(provider));
    const auto id = t.follow(who);
    ASSERT_TRUE(who.wait_for(1));
    sigrun_grant grant;
    ASSERT_EQ(t.acquire(id, grant), SIGRUN_OK);
    t.provide(nullptr);
    ASSERT_TRUE(who.wait_for(2));
    EXPECT_EQ(watched.use_count(), held);  // the lease in the place of our own reference
    EXPECT_EQ(t.acquire(id, grant = {}), SIGRUN_E_NOT_FOUND);
    t.rt->exchange->drop(t.face);
    EXPECT_EQ(watched.use_count(), held - 1);
}

TEST(broker, nobody_is_called_after_unfollow) {
    two_sides t;
    follower who;
    t.provide(t.plain());
    const auto id = t.follow(who);
    ASSERT_TRUE(who.wait_for(1));
    t.service->unfollow(&t.face.abi, id);
    t.provide(nullptr);
    t.settle();
    EXPECT_EQ(who.notices, 1);
    sigrun_grant grant;
    EXPECT_EQ(t.acquire(id, grant), SIGRUN_E_INVALID);
    t.service->unfollow(&t.face.abi, id);  // twice is fine
}

TEST(broker, unfollow_waits_for_a_notice_that_runs) {
    two_sides t;
    struct slow {
        std::promise<void> begun;
        std::promise<void> go_on;
        std::atomic<bool> ended{false};
        static void notice(void* self) {
            auto& me = *static_cast<slow*>(self);
            me.begun.set_value();
            me.go_on.get_future().wait();
            me.ended = true;
        }
    } who;
    t.provide(t.plain());
    std::uint64_t id = 0;
    ASSERT_EQ(t.service->follow(&t.face.abi, sdk::str("plain"), sdk::str(SIGRUN_KIND_PROBE), &slow::notice, &who, &id,
                                nullptr),
              SIGRUN_OK);
    who.begun.get_future().wait();
    std::thread leaving([&] {
        t.service->unfollow(&t.face.abi, id);
        EXPECT_TRUE(who.ended);
    });
    who.go_on.set_value();
    leaving.join();
}

TEST(broker, it_may_unfollow_from_the_notice) {
    two_sides t;
    struct once {
        two_sides& t;
        std::uint64_t id = 0;
        std::promise<void> done;
    } who{t, 0, {}};
    ASSERT_EQ(t.service->follow(
                  &t.face.abi, sdk::str("plain"), sdk::str(SIGRUN_KIND_PROBE),
                  [](void* self) {
                      auto& me = *static_cast<once*>(self);
                      me.t.service->unfollow(&me.t.face.abi, me.id);
                      me.done.set_value();
                  },
                  &who, &who.id, nullptr),
              SIGRUN_OK);
    t.provide(t.plain());
    EXPECT_EQ(who.done.get_future().wait_for(k_patience), std::future_status::ready);
}

TEST(broker, what_is_wrong_is_refused) {
    two_sides t;
    follower who;
    t.provide(t.plain());
    const auto id = t.follow(who, "com.example.other/1");
    sigrun_grant grant;
    EXPECT_EQ(t.acquire(id, grant), SIGRUN_E_NOT_FOUND);  // it has no such interface
    EXPECT_EQ(t.acquire(id + 1000, grant), SIGRUN_E_INVALID);
    sigrun_grant small{};
    small.struct_size = 8;
    EXPECT_EQ(t.service->acquire(&t.face.abi, id, &small), SIGRUN_E_INVALID);
    std::uint64_t none = 0;
    sdk::error_text error;
    EXPECT_EQ(t.service->follow(&t.face.abi, sdk::str(""), sdk::str("x/1"), &follower::notice, &who, &none, &error.abi),
              SIGRUN_E_INVALID);
    EXPECT_FALSE(error.text().empty());
    // Another guest's ids and leases are not ours.
    const auto mine = t.follow(who);
    ASSERT_EQ(t.acquire(mine, grant), SIGRUN_OK);
    auto& other = t.mine.add_face("other");
    sigrun_grant again{};
    again.struct_size = sizeof again;
    EXPECT_EQ(t.service->acquire(&other.abi, mine, &again), SIGRUN_E_INVALID);
    t.service->release(&other.abi, grant.lease);
    t.service->release(&t.face.abi, grant.lease);
}

TEST(broker, a_plugin_cannot_hold_itself) {
    two_sides t;
    follower who;
    auto& self = guest::make(900'001, t.plain()->plugin_id(), t.rt);
    auto& face = self.add_face("self");
    t.provide(t.plain());
    std::uint64_t id = 0;
    ASSERT_EQ(t.service->follow(&face.abi, sdk::str("plain"), sdk::str(SIGRUN_KIND_PROBE), &follower::notice, &who, &id,
                                nullptr),
              SIGRUN_OK);
    sigrun_grant grant{};
    grant.struct_size = sizeof grant;
    EXPECT_EQ(t.service->acquire(&face.abi, id, &grant), SIGRUN_E_INVALID);
    t.rt->exchange->drop(self);
    self.retire();
    EXPECT_EQ(t.service->acquire(&face.abi, id, &grant), SIGRUN_E_CANCELLED);
    t.service->release(&face.abi, 1);
    t.service->unfollow(&face.abi, id);
}

}  // namespace
}  // namespace sigrun
