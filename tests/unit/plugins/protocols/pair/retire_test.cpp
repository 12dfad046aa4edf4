// A newer generation has taken over: what the old one's connections say, go on doing, and how they end. Part of the tests of
// each protocol that has its links on one connection.
#include "unit/plugins/protocols/pair/old_controller.hpp"

using namespace rig;

TEST(SIGRUN_RETIRE_SUITE, an_idle_connection_is_told_once_goes_on_and_ends_with_its_peer) {
    old_controller server;
    client c(server.uri);
    echo(c);
    auto done = server.retire(20000);
    EXPECT_EQ(c.frames.wait_for(asks_to_reconnect).attempt, 0u);
    for (int i = 0; i < 3; ++i) echo(c);  // calls that did not know yet
    EXPECT_FALSE(server.host.completed(done));
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
    EXPECT_TRUE(server.all_ended());
    EXPECT_EQ(count(c.frames, asks_to_reconnect), 1u);
    EXPECT_EQ(count(c.frames, is_the_end), 1u);
    EXPECT_EQ(server.host.double_completions(), 0u);
}

TEST(SIGRUN_RETIRE_SUITE, without_connections_it_is_done_at_once_and_a_second_time_changes_nothing) {
    old_controller server;
    auto done = server.retire(20000);
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
    auto again = server.host.mint();
    EXPECT_EQ(server.table->serve->retire(server.instance, in_ms(1000), again), SIGRUN_E_EXISTS);
    server.host.forget(again);
    client late(server.uri);  // the kernel handed over one that it had accepted before
    late.frames.wait_for(asks_to_reconnect);
    echo(late);
}

TEST(SIGRUN_RETIRE_SUITE, a_session_hears_it_as_a_bye_and_its_frames_go_on_both_ways) {
    old_controller server;
    client runner(server.uri);
    runner.become_link(server);
    auto done = server.retire(20000);
    runner.frames.wait_for(asks_to_reconnect);
    made_frame offer(SIGRUN_OFFER);
    offer.of(1).with_json("{}");
    ASSERT_EQ(server.table->link->execute(server.link, offer), SIGRUN_OK);
    runner.frames.wait_for(is(SIGRUN_OFFER));
    made_frame state(SIGRUN_STATE, SIGRUN_FRAME_LAST);
    state.of(1);
    ASSERT_EQ(runner.table->link->send(runner.link, state), SIGRUN_OK);
    server.frames.wait_for(is(SIGRUN_STATE));
    EXPECT_EQ(count(runner.frames, is_the_end), 0u);
    EXPECT_FALSE(server.host.completed(done));

    EXPECT_EQ(runner.close(std::exchange(runner.link, nullptr)).result, SIGRUN_OK);
    server.frames.wait_for(is_the_end);
    EXPECT_TRUE(eventually([&] { return server.all_ended(); }));
    EXPECT_FALSE(server.host.completed(done)) << "the host still holds the link";
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
    EXPECT_EQ(count(runner.frames, asks_to_reconnect), 1u);
}

TEST(SIGRUN_RETIRE_SUITE, a_session_that_begins_afterwards_is_told_as_well) {
    old_controller server;
    client runner(server.uri);
    server.retire(20000);
    runner.frames.wait_for(asks_to_reconnect);
    runner.become_link(server);
    ASSERT_TRUE(eventually([&] { return count(runner.frames, asks_to_reconnect) == 2; }));
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    runner.frames.wait_for(is_the_end);
}

TEST(SIGRUN_RETIRE_SUITE, an_open_call_and_a_long_reply_come_to_their_end) {
    old_controller server;
    client c(server.uri);
    sdk::recording_sink held, streamed;
    auto first = c.call(c.link, "hold", held.abi());
    ASSERT_TRUE(eventually([&] { return server.held_count() == 1; }));
    auto done = server.retire(20000);
    c.frames.wait_for(asks_to_reconnect);
    auto to = server.first_held().replies;
    constexpr std::size_t k_parts = 200;  // of 10 kB: many times the call's window
    for (std::size_t sent = 0, resumed = 0; sent < k_parts;) {
        made_frame part(SIGRUN_REPLY);
        part.with(server.host.get(), std::string(10'000, static_cast<char>(sent)));
        auto r = to.on_frame(to.ctx, part);
        if (r == SIGRUN_OK) {
            ++sent;
            continue;
        }
        ASSERT_EQ(r, SIGRUN_E_BUSY);
        ASSERT_TRUE(eventually([&] { return server.resumed > static_cast<int>(resumed); }));
        resumed = static_cast<std::size_t>(server.resumed);
    }
    server.answer_held(R"({"last":true})");
    EXPECT_EQ(c.host.wait(first).result, SIGRUN_OK);
    auto got = held.frames();
    ASSERT_EQ(got.size(), k_parts + 1);
    for (std::size_t i = 0; i < k_parts; ++i)
        EXPECT_TRUE(got[i].payload == std::string(10'000, static_cast<char>(i))) << i;
    EXPECT_EQ(got.back().json, R"({"last":true})");
    EXPECT_FALSE(server.host.completed(done));
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
    EXPECT_EQ(server.ended, 0);
}

TEST(SIGRUN_RETIRE_SUITE, at_the_deadline_everything_that_is_left_is_cut) {
    old_controller server;
    client caller(server.uri), runner(server.uri);
    runner.become_link(server);
    sdk::recording_sink replies;
    auto open = caller.call(caller.link, "hold", replies.abi());
    ASSERT_TRUE(eventually([&] { return server.held_count() == 1; }));
    auto done = server.retire(100);
    auto lost = caller.host.wait(open);
    EXPECT_EQ(lost.result, SIGRUN_E_IO);
    EXPECT_NE(lost.text.find("deadline"), std::string::npos) << lost.text;
    caller.frames.wait_for(is_the_end);
    runner.frames.wait_for(is_the_end);
    server.frames.wait_for(is_the_end);
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
    EXPECT_TRUE(server.all_ended());
    EXPECT_EQ(server.ended, 1);
    EXPECT_EQ(server.host.double_completions(), 0u);
}

TEST(SIGRUN_RETIRE_SUITE, a_link_that_the_host_keeps_after_the_cut_is_reported) {
    old_controller server;
    client runner(server.uri);
    runner.become_link(server);
    auto done = server.retire(1);
    server.frames.wait_for(is_the_end);
    auto outcome = server.host.wait(done);
    EXPECT_EQ(outcome.result, SIGRUN_E_TIMEOUT);
    EXPECT_NE(outcome.text.find("found 1"), std::string::npos) << outcome.text;
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(SIGRUN_RETIRE_SUITE, links_that_it_dialled_itself_count_until_the_host_closes_them) {
    old_controller other;
    client c(other.uri);
    auto done = c.host.mint();
    EXPECT_EQ(c.table->serve->retire(c.instance, in_ms(20000), done), SIGRUN_OK);
    echo(c);
    EXPECT_FALSE(c.host.completed(done));
    EXPECT_EQ(count(c.frames, asks_to_reconnect), 0u) << "it is its own side that goes";
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    EXPECT_EQ(c.host.wait(done).result, SIGRUN_OK);
}

TEST(SIGRUN_RETIRE_SUITE, destroying_it_before_the_end_completes_the_op_once) {
    old_controller server;
    client c(server.uri);
    auto done = server.retire(20000);
    c.frames.wait_for(asks_to_reconnect);
    server.stop();
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_E_CANCELLED);
    c.frames.wait_for(is_the_end);
    EXPECT_EQ(server.host.open_ops(), 0u);
    EXPECT_EQ(server.host.double_completions(), 0u);
    EXPECT_EQ(server.host.live_threads(), 0u);
}

TEST(SIGRUN_RETIRE_SUITE, two_hundred_connections_under_calls_lose_none_and_leave_nothing) {
    const auto before = open_descriptors();
    {
        old_controller server(options{{"threads", "2"}});
        client far(server.uri, {{"threads", "2"}});
        std::vector<std::unique_ptr<sdk::recording_sink>> sinks;
        std::vector<sigrun_link*> links;
        for (int i = 0; i < 200; ++i) {
            sinks.push_back(std::make_unique<sdk::recording_sink>());
            sigrun_link* link = nullptr;
            ASSERT_EQ(far.open(server.uri, sinks.back()->abi(), &link).result, SIGRUN_OK);
            links.push_back(link);
        }
        std::atomic<bool> go_on{true};
        std::atomic<int> answered{0}, lost{0};
        std::vector<std::thread> callers;
        for (std::size_t t = 0; t < 2; ++t)
            callers.emplace_back([&, t] {
                for (std::size_t i = t; go_on; i = (i + 2) % links.size()) {
                    sdk::recording_sink replies;
                    auto op = far.call(links[i], "echo", replies.abi(), "{}");
                    bool ok = op && far.host.wait(op).result == SIGRUN_OK && replies.frames().size() == 1;
                    ++(ok ? answered : lost);
                }
            });
        EXPECT_TRUE(eventually([&] { return answered > 200; }));
        auto done = server.retire(30000);
        for (auto& sink : sinks) sink->wait_for(asks_to_reconnect);
        const int so_far = answered;
        EXPECT_TRUE(eventually([&] { return answered > so_far + 200; }));
        go_on = false;
        for (auto& t : callers) t.join();
        EXPECT_EQ(lost, 0);
        EXPECT_FALSE(server.host.completed(done));
        for (auto* link : links) EXPECT_EQ(far.close(link).result, SIGRUN_OK);
        EXPECT_EQ(far.close(std::exchange(far.link, nullptr)).result, SIGRUN_OK);
        EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
        EXPECT_TRUE(server.all_ended());
        server.stop();
        EXPECT_EQ(server.host.live_threads(), 0u);
        EXPECT_EQ(server.host.open_ops(), 0u);
        EXPECT_EQ(server.host.live_buffers(), 0u);
        EXPECT_EQ(server.host.double_completions(), 0u);
        for (auto& sink : sinks) EXPECT_EQ(count(*sink, asks_to_reconnect), 1u);
    }
    EXPECT_EQ(open_descriptors(), before);
}
