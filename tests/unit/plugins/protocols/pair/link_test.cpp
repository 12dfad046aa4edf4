// Two plugin instances over real sockets: calls, session, ends. Part of the tests of each protocol that has its links on one
// connection.
#include "unit/plugins/protocols/pair/rig.hpp"

using namespace rig;

namespace {

struct both_ways : testing::TestWithParam<std::tuple<bool, const char*, const char*>> {
    bool unix_socket() const { return std::get<0>(GetParam()); }
    options with() const { return {{k_variant, std::get<1>(GetParam())}, {"threads", std::get<2>(GetParam())}}; }
};

}  // namespace

// The name of the protocol is a macro.
#define SIGRUN_INSTANTIATE(...) INSTANTIATE_TEST_SUITE_P(__VA_ARGS__)
SIGRUN_INSTANTIATE(SIGRUN_PROTOCOL_NAME, both_ways,
                   testing::Combine(testing::Bool(), testing::Values(k_variant_off, k_variant_on),
                                    testing::Values("1", "2")));

TEST_P(both_ways, calls_are_answered_and_carry_json_and_payload) {
    controller server(with(), unix_socket());
    client c(server.uri, with());
    sdk::recording_sink replies;
    sdk::buffer payload(c.host.get(), std::string(100, '\0'));
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), R"({"a":1})", payload.get())).result, SIGRUN_OK);
    auto reply = replies.frames().at(0);
    EXPECT_EQ(reply.json, R"({"a":1})");
    EXPECT_EQ(reply.payload, std::string(100, '\0'));
    EXPECT_EQ(reply.flags, std::uint32_t{SIGRUN_FRAME_LAST});
    EXPECT_EQ(server.last_auth, unix_socket() ? "uid 4711" : "");
}

TEST_P(both_ways, a_session_carries_every_kind_of_frame) {
    controller server(with(), unix_socket());
    client runner(server.uri, with());
    runner.become_link(server);
    const auto& ops = *server.table->link;

    made_frame offer(SIGRUN_OFFER);
    offer.of(1).with_json(R"({"command":["true"]})").with(server.host.get(), "input");
    EXPECT_EQ(ops.execute(server.link, offer), SIGRUN_OK);
    auto got = runner.frames.wait_for(is(SIGRUN_OFFER));
    EXPECT_EQ(got.job, "0190a6b2-7c4e-7d3f-8a1b-2c3d4e5f6071");
    EXPECT_EQ(got.attempt, 1u);
    EXPECT_EQ(got.token, "7-1");
    EXPECT_EQ(got.payload, "input");

    made_frame log(SIGRUN_LOG);
    log.of(1).with(runner.host.get(), "line\n");
    log.frame.stream = SIGRUN_STREAM_STDERR;
    log.frame.time_ns = 1700000000000000000;
    log.frame.seq = 3;
    log.frame.ack = 1;
    EXPECT_EQ(runner.table->link->send(runner.link, log), SIGRUN_OK);
    auto line = server.frames.wait_for(is(SIGRUN_LOG));
    EXPECT_EQ(line.stream, std::uint32_t{SIGRUN_STREAM_STDERR});
    EXPECT_EQ(line.time_ns, 1700000000000000000u);
    if (k_frames_are_numbered) {
        EXPECT_EQ(line.seq, 3u);
        EXPECT_EQ(line.ack, 1u);
    }
    EXPECT_EQ(line.payload, "line\n");

    made_frame state(SIGRUN_STATE, SIGRUN_FRAME_LAST);
    state.of(1).with_json(R"({"state":"failed"})").with(runner.host.get(), "");
    state.frame.offset = 5;
    EXPECT_EQ(runner.table->link->send(runner.link, state), SIGRUN_OK);
    auto final_state = server.frames.wait_for(is(SIGRUN_STATE));
    EXPECT_EQ(final_state.flags, std::uint32_t{SIGRUN_FRAME_LAST});
    EXPECT_EQ(final_state.offset, 5u);

    EXPECT_EQ(ops.cancel(server.link, &offer.attempt, 10'000'000'000u), SIGRUN_OK);
    EXPECT_EQ(runner.frames.wait_for(is(SIGRUN_CANCEL)).time_ns, 10'000'000'000u);
    for (auto kind : {SIGRUN_ACK, SIGRUN_BEAT, SIGRUN_DRAIN, SIGRUN_HELLO, SIGRUN_BYE}) {
        made_frame f(static_cast<std::uint32_t>(kind));
        f.with_json(R"({"reason":"x"})");
        EXPECT_EQ(runner.table->link->send(runner.link, f), SIGRUN_OK);
        EXPECT_EQ(server.frames.wait_for(is(static_cast<std::uint32_t>(kind))).json, R"({"reason":"x"})");
    }
    auto op = server.host.mint();
    EXPECT_EQ(ops.ping(server.link, op), SIGRUN_PENDING);
    EXPECT_EQ(server.host.wait(op).text.substr(0, 10), R"({"rtt_ns":)");
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    runner.frames.wait_for([](const auto& f) { return f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST); });
}

TEST_P(both_ways, large_payloads_travel) {
    controller server(with(), unix_socket());
    client c(server.uri, with());
    std::string big(5'000'000, 0);
    for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 31 >> 3);
    sdk::buffer payload(c.host.get(), big);
    sdk::recording_sink replies;
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), "{}", payload.get())).result, SIGRUN_OK);
    EXPECT_TRUE(replies.frames().at(0).payload == big);
}

TEST(SIGRUN_LINK_SUITE, a_hundred_calls_at_once_on_one_connection) {
    controller server;
    client c(server.uri);
    std::vector<std::unique_ptr<sdk::recording_sink>> sinks;
    std::vector<sigrun_op> ops;
    for (int i = 0; i < 100; ++i) {
        sinks.push_back(std::make_unique<sdk::recording_sink>());
        ops.push_back(
            c.call(c.link, i % 10 == 3 ? "hold" : "echo", sinks.back()->abi(), sdk::concat(R"({"n":)", i, "}")));
        ASSERT_NE(ops.back(), 0u);
    }
    ASSERT_TRUE(eventually([&] { return server.held_count() == 10; }));
    for (std::size_t i = 0; i < 100; ++i) {
        if (i % 10 == 3) continue;
        EXPECT_EQ(c.host.wait(ops[i]).result, SIGRUN_OK);
        EXPECT_EQ(sinks[i]->frames().at(0).json, sdk::concat(R"({"n":)", i, "}"));
    }
    while (server.held_count()) {  // the others end later, from another thread
        auto held = server.first_held();
        made_frame reply(SIGRUN_REPLY, SIGRUN_FRAME_LAST);
        EXPECT_EQ(held.replies.on_frame(held.replies.ctx, reply), SIGRUN_OK);
        std::lock_guard lock(server.mutex);
        server.held.erase(server.held.begin());
    }
    for (auto op : ops) EXPECT_EQ(c.host.wait(op).result, SIGRUN_OK);
    EXPECT_EQ(server.ended, 0);
}

TEST(SIGRUN_LINK_SUITE, a_refused_call_is_answered_with_its_problem) {
    controller server;
    client c(server.uri);
    sdk::recording_sink replies;
    EXPECT_EQ(c.host.wait(c.call(c.link, "fail", replies.abi())).result, SIGRUN_OK);
    EXPECT_EQ(replies.frames().at(0).flags, std::uint32_t{SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR});
    EXPECT_EQ(replies.frames().at(0).json, R"({"code":"invalid","title":"no"})");
}

TEST(SIGRUN_LINK_SUITE, a_peer_cannot_claim_what_only_the_socket_proves) {
    controller server({}, true);
    client c(server.uri);
    sdk::recording_sink replies, others;
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), "{}", nullptr, 0, "uid 0")).result, SIGRUN_OK);
    EXPECT_NE(replies.frames().at(0).json.find("unauthenticated"), std::string::npos);
    EXPECT_EQ(server.calls, 0);
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", others.abi(), "{}", nullptr, 0, "bearer abc")).result, SIGRUN_OK);
    EXPECT_EQ(server.last_auth, "bearer abc");
}

TEST(SIGRUN_LINK_SUITE, more_calls_than_the_limit_are_busy) {
    controller server(options{{k_call_limit, "3"}});
    client c(server.uri);
    sdk::recording_sink replies, refused;
    std::vector<sigrun_op> ops;
    for (int i = 0; i < 3; ++i) ops.push_back(c.call(c.link, "hold", replies.abi()));
    const auto one_more = c.call(c.link, "hold", refused.abi());
    if (k_caller_knows_the_limit) {
        EXPECT_EQ(one_more, 0u);
    } else {
        EXPECT_EQ(c.host.wait(one_more).result, SIGRUN_OK);
        EXPECT_NE(refused.frames().at(0).json.find(R"("code":"busy")"), std::string::npos)
            << refused.frames().at(0).json;
    }
    ASSERT_TRUE(eventually([&] { return server.held_count() == 3; }));
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    for (auto op : ops) EXPECT_EQ(c.host.wait(op).result, SIGRUN_E_CANCELLED);
    EXPECT_TRUE(eventually([&] { return server.ended == 3; }));
}

TEST(SIGRUN_LINK_SUITE, a_deadline_ends_the_call_on_both_sides) {
    controller server;
    client c(server.uri);
    sdk::recording_sink replies;
    auto op = c.call(c.link, "hold", replies.abi(), "{}", nullptr, in_ms(100));
    EXPECT_EQ(c.host.wait(op).result, SIGRUN_E_TIMEOUT);
    EXPECT_TRUE(eventually([&] { return server.ended == 1; }));
    EXPECT_GT(server.last_deadline, 0u);
    EXPECT_LE(server.last_deadline, in_ms(0));
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), "{}")).result,
              SIGRUN_OK);  // the link goes on
    sigrun_call late{sizeof late, 0, str("echo"), str(""), str(""), str(""), nullptr, 1};
    auto void_op = c.host.mint();
    EXPECT_EQ(c.table->link->call(c.link, &late, replies.abi(), void_op), SIGRUN_E_TIMEOUT);
    c.host.forget(void_op);
}

TEST(SIGRUN_LINK_SUITE, a_streamed_reply_waits_for_a_busy_caller_and_loses_nothing) {
    controller server;
    client c(server.uri);
    sdk::recording_sink replies;
    replies.set_result(SIGRUN_E_BUSY);
    auto op = c.call(c.link, "hold", replies.abi());
    ASSERT_TRUE(eventually([&] { return server.held_count() == 1; }));
    auto to = server.first_held().replies;
    std::size_t sent = 0;
    bool refused = false;
    for (int resumed = 0; sent < k_streamed_frames;) {
        made_frame part(SIGRUN_REPLY);
        part.with(server.host.get(), std::string(10'000, static_cast<char>(sent)));
        part.frame.offset = sent * 10'000;
        auto r = to.on_frame(to.ctx, part);
        if (r == SIGRUN_OK) {
            ++sent;
            continue;
        }
        ASSERT_EQ(r, SIGRUN_E_BUSY);
        if (!refused) {
            EXPECT_LT(sent, k_streamed_at_once);
            EXPECT_TRUE(eventually([&] { return replies.refused() > 0; }));
            replies.set_result(SIGRUN_OK);
        }
        refused = true;
        ASSERT_TRUE(eventually([&] { return server.resumed > resumed; }));
        resumed = server.resumed;
    }
    EXPECT_TRUE(refused);
    made_frame last(SIGRUN_REPLY, SIGRUN_FRAME_LAST);
    EXPECT_EQ(to.on_frame(to.ctx, last), SIGRUN_OK);
    EXPECT_EQ(c.host.wait(op).result, SIGRUN_OK);
    auto got = replies.frames();
    ASSERT_EQ(got.size(), k_streamed_frames + 1);
    for (std::size_t i = 0; i < k_streamed_frames; ++i) {
        EXPECT_EQ(got[i].offset, i * 10'000);
        EXPECT_TRUE(got[i].payload == std::string(10'000, static_cast<char>(i))) << i;
    }
    std::lock_guard lock(server.mutex);
    server.held.clear();
}

TEST(SIGRUN_LINK_SUITE, a_lost_connection_says_bye_once_and_fails_what_was_open) {
    controller server;
    client c(server.uri);
    c.become_link(server);
    sdk::recording_sink replies;
    auto op = c.call(c.link, "hold", replies.abi());
    ASSERT_TRUE(eventually([&] { return server.held_count() == 1; }));
    auto ping = c.host.mint();
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    auto lost = c.host.wait(op);
    EXPECT_EQ(lost.result, SIGRUN_E_IO);
    EXPECT_NE(lost.text.find("closed by the host"), std::string::npos) << lost.text;
    auto bye = c.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_EQ(bye.flags, std::uint32_t{SIGRUN_FRAME_LAST});
    made_frame beat(SIGRUN_BEAT);
    EXPECT_EQ(c.table->link->send(c.link, beat), SIGRUN_E_IO);
    EXPECT_EQ(c.table->link->ping(c.link, ping), SIGRUN_E_IO);
    c.host.forget(ping);
    EXPECT_EQ(c.call(c.link, "echo", replies.abi()), 0u);
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    EXPECT_EQ(c.frames.frames().size(), 1u);
    EXPECT_TRUE(eventually([&] { return server.ended == 1; }));
}

TEST(SIGRUN_LINK_SUITE, close_says_bye_once_and_then_the_sink_is_silent) {
    controller server;
    client c(server.uri);
    c.become_link(server);
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    ASSERT_EQ(c.frames.frames().size(), 1u);
    EXPECT_EQ(c.frames.frames()[0].kind, std::uint32_t{SIGRUN_BYE});
    server.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    EXPECT_EQ(server.frames.frames().size(), 1u);
    EXPECT_TRUE(eventually([&] { return server.all_ended(); }));
}

TEST(SIGRUN_LINK_SUITE, an_idle_connection_is_closed_but_not_one_with_a_session) {
    controller server(options{{"idle_timeout", "50ms"}});
    client idle(server.uri), busy(server.uri);
    busy.become_link(server);
    idle.frames.wait_for(is(SIGRUN_BYE));
    auto op = busy.host.mint();
    EXPECT_EQ(busy.table->link->ping(busy.link, op), SIGRUN_PENDING);
    EXPECT_EQ(busy.host.wait(op).result, SIGRUN_OK);
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(SIGRUN_LINK_SUITE, drain_ends_idle_connections_and_waits_for_calls) {
    controller server;
    client idle(server.uri), busy(server.uri);
    sdk::recording_sink replies;
    auto call = busy.call(busy.link, "hold", replies.abi());
    ASSERT_TRUE(eventually([&] { return server.held_count() == 1; }));
    auto op = server.host.mint();
    EXPECT_EQ(server.instance->drain(server.instance, in_ms(10000), op), SIGRUN_PENDING);
    idle.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_FALSE(server.host.completed(op));
    auto held = server.first_held().replies;
    made_frame last(SIGRUN_REPLY, SIGRUN_FRAME_LAST);
    EXPECT_EQ(held.on_frame(held.ctx, last), SIGRUN_OK);
    EXPECT_EQ(busy.host.wait(call).result, SIGRUN_OK);
    busy.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_EQ(server.host.wait(op).result, SIGRUN_OK);
    std::lock_guard lock(server.mutex);
    server.held.clear();
}

TEST(SIGRUN_LINK_SUITE, calls_and_closes_from_many_threads_race_without_harm) {
    controller server(options{{"threads", "2"}});
    for (int round = 0; round < 20; ++round) {
        client c(server.uri, {{"threads", "2"}});
        std::vector<std::thread> threads;
        std::vector<std::unique_ptr<sdk::recording_sink>> sinks;
        std::mutex ops_mutex;
        std::vector<sigrun_op> ops;
        for (int t = 0; t < 4; ++t) {
            sinks.push_back(std::make_unique<sdk::recording_sink>());
            threads.emplace_back([&, sink = sinks.back()->abi()] {
                for (int i = 0; i < 50; ++i) {
                    auto op = c.call(c.link, i % 7 ? "echo" : "hold", sink, "{}");
                    std::lock_guard lock(ops_mutex);
                    if (op) ops.push_back(op);
                }
            });
        }
        for (auto& t : threads) t.join();
        EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
        for (auto op : ops) {
            auto r = c.host.wait(op).result;
            EXPECT_TRUE(r == SIGRUN_OK || r == SIGRUN_E_CANCELLED) << r;
        }
    }
    EXPECT_TRUE(eventually([&] { return server.held_count() == 0 && server.all_ended(); }));
}
