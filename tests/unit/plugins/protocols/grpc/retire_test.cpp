// A newer generation serves from now on: each peer is told once, nothing that still comes is lost.
#include "call_request.hpp"
#include "h2_client.hpp"
#include "rig.hpp"

using namespace rig;

namespace {
constexpr std::int32_t k_all_streams = 0x7fffffff;
}  // namespace

TEST(grpc_retire, a_client_is_told_by_goaway_and_calls_on_its_way_are_served) {
    controller c;
    h2_client k(c.uri);
    EXPECT_EQ(k.ask("/sigrun.v1.Jobs/List", "").grpc_status(), 0);
    const auto held = k.send(h2_client::usual(k_call), grpc_message(call_request("hold")));
    const auto waiting = c.first_held();
    const auto done = c.retire(20000);
    // A call that crosses the GOAWAY: the client has not seen it yet.
    const auto late = k.send(h2_client::usual("/sigrun.v1.Jobs/List"), grpc_message(""));
    ASSERT_TRUE(k.until([&] { return k.all[late].closed; }));
    EXPECT_EQ(k.all[late].grpc_status(), 0);
    ASSERT_TRUE(k.until([&] { return !k.goaways.empty(); }));
    EXPECT_EQ(k.goaways, std::vector<std::int32_t>{k_all_streams});
    EXPECT_FALSE(c.host.completed(done));
    c.give(waiting, SIGRUN_FRAME_LAST, "{}");
    ASSERT_TRUE(k.until([&] { return k.all[held].closed; }));
    EXPECT_EQ(k.all[held].grpc_status(), 0);
    {
        std::lock_guard lock(c.mutex);
        c.held.clear();
    }
    // With nothing left it ends in order.
    ASSERT_TRUE(k.until([&] { return k.over; }));
    EXPECT_EQ(c.host.wait(done, std::chrono::seconds(20)).result, SIGRUN_OK);
    EXPECT_TRUE(eventually([&] { return c.all_ended(); }));
}

TEST(grpc_retire, a_session_is_told_once_and_goes_on) {
    controller c;
    client k(c.uri);
    k.become_link(c);
    const auto done = c.retire(30000);
    const auto bye = k.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_FALSE(bye.flags & SIGRUN_FRAME_LAST);
    EXPECT_NE(bye.json.find("\"reconnect\":true"), std::string::npos);
    // Calls and frames are still served over the link.
    EXPECT_EQ(k.ask("echo", "{\"a\":1}").json, "{\"a\":1}");
    made_frame beat(SIGRUN_BEAT);
    EXPECT_EQ(k.table->link->send(k.link, beat.with_json("{}")), SIGRUN_OK);
    c.frames.wait_for(is(SIGRUN_BEAT));
    EXPECT_EQ(k.table->link->send(k.link, beat), SIGRUN_OK);
    EXPECT_FALSE(c.host.completed(done));
    EXPECT_EQ(k.close(k.link).result, SIGRUN_OK);
    k.link = nullptr;
    c.frames.wait_for(is_last(SIGRUN_BYE));
    EXPECT_EQ(c.close(c.link).result, SIGRUN_OK);
    EXPECT_EQ(c.host.wait(done, std::chrono::seconds(20)).result, SIGRUN_OK);
    std::size_t byes = 0;
    for (const auto& f : k.frames.frames()) byes += f.kind == SIGRUN_BYE && !(f.flags & SIGRUN_FRAME_LAST);
    EXPECT_EQ(byes, 1u);
}

TEST(grpc_retire, a_session_that_begins_on_a_retired_connection_is_told_too) {
    controller c;
    client k(c.uri);
    c.retire(30000);
    k.become_link(c);
    EXPECT_NE(k.frames.wait_for(is(SIGRUN_BYE)).json.find("reconnect"), std::string::npos);
    EXPECT_EQ(c.close(c.link).result, SIGRUN_OK);
}

TEST(grpc_retire, what_is_left_at_the_deadline_is_cut) {
    controller c;
    client k(c.uri);
    k.become_link(c);
    h2_client other(c.uri);
    other.send(h2_client::usual(k_call), grpc_message(call_request("hold")));
    c.first_held();
    const auto done = c.retire(300);
    c.frames.wait_for(is_last(SIGRUN_BYE));
    EXPECT_EQ(c.close(c.link).result, SIGRUN_OK);
    EXPECT_EQ(c.host.wait(done, std::chrono::seconds(20)).result, SIGRUN_OK);
    EXPECT_TRUE(other.until([&] { return other.over; }));
    EXPECT_TRUE(eventually([&] { return c.all_ended(); }));
}

TEST(grpc_retire, links_still_held_after_the_cut_are_a_failure) {
    controller c;
    client k(c.uri);
    k.become_link(c);
    const auto done = c.retire(100);
    c.frames.wait_for(is_last(SIGRUN_BYE));
    EXPECT_EQ(c.host.wait(done, std::chrono::seconds(20)).result, SIGRUN_E_TIMEOUT);
    EXPECT_EQ(c.close(c.link).result, SIGRUN_OK);
}

TEST(grpc_retire, the_second_time_it_is_refused) {
    controller c;
    const auto done = c.retire(1000);
    EXPECT_EQ(c.host.wait(done).result, SIGRUN_OK);
    auto op = c.host.mint();
    EXPECT_EQ(c.table->serve->retire(c.instance, in_ms(1000), op), SIGRUN_E_EXISTS);
    c.host.forget(op);
}

TEST(grpc_retire, twenty_generations_under_load_lose_no_call) {
    std::vector<std::unique_ptr<controller>> generations;
    generations.push_back(std::make_unique<controller>());
    const auto uri = generations.front()->uri;
    auto* listening = generations.front().get();
    std::atomic<bool> stop{false};
    std::atomic<int> good{0}, bad{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&] {
            while (!stop) {
                h2_client k(uri);
                // As clients do it: no new stream after GOAWAY, then another connection.
                while (!stop && k.goaways.empty() && !k.over) {
                    const auto id = k.send(h2_client::usual("/sigrun.v1.Jobs/List"), grpc_message(""));
                    if (id < 0) break;
                    k.until([&] { return k.all[id].closed || k.over; });
                    // A stream above the last one of a GOAWAY was not begun: clients send it again by themselves.
                    const bool not_begun = !k.goaways.empty() && id > k.goaways.back();
                    if (k.all[id].grpc_status() == 0)
                        ++good;
                    else if (!not_begun)
                        ++bad;
                }
            }
        });
    std::vector<sigrun_op> ops;
    for (int turn = 0; turn < 20; ++turn) {
        const int before = good;
        ASSERT_TRUE(eventually([&] { return good > before + 50; }));
        auto newer = std::make_unique<controller>();
        listening->successor = newer.get();
        ops.push_back(generations.back()->retire(30000));
        generations.push_back(std::move(newer));
    }
    stop = true;
    for (auto& t : callers) t.join();
    for (std::size_t i = 0; i < ops.size(); ++i)
        EXPECT_EQ(generations[i]->host.wait(ops[i], std::chrono::seconds(40)).result, SIGRUN_OK);
    EXPECT_EQ(bad, 0);
    EXPECT_GT(good, 1000);
    while (generations.size() > 1) generations.pop_back();
}

TEST(grpc_drain, idle_connections_end_and_open_calls_may_finish) {
    controller c;
    h2_client idle(c.uri), busy(c.uri);
    EXPECT_EQ(idle.ask("/sigrun.v1.Jobs/List", "").grpc_status(), 0);
    const auto id = busy.send(h2_client::usual(k_call), grpc_message(call_request("hold")));
    const auto held = c.first_held();
    auto op = c.host.mint();
    EXPECT_EQ(c.instance->drain(c.instance, in_ms(20000), op), SIGRUN_PENDING);
    EXPECT_TRUE(idle.until([&] { return idle.over; }));
    c.give(held, SIGRUN_FRAME_LAST, "{}");
    EXPECT_TRUE(busy.until([&] { return busy.all[id].closed; }));
    EXPECT_EQ(busy.all[id].grpc_status(), 0);
    EXPECT_EQ(c.host.wait(op, std::chrono::seconds(20)).result, SIGRUN_OK);
    std::lock_guard lock(c.mutex);
    c.held.clear();
}
