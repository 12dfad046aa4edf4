// Two plugins against each other: links, calls, sessions.
#include "rig.hpp"

#include <boost/json.hpp>

using namespace rig;

TEST(grpc_link, a_call_is_answered_with_document_and_payload) {
    for (bool local : {false, true}) {
        controller c({}, local);
        client k(c.uri);
        sdk::recording_sink replies;
        sdk::buffer bytes(k.host.get(), std::string("\0\xff", 2));
        auto op = k.call(k.link, "echo", replies.abi(), R"({"a":1})", bytes.get());
        EXPECT_EQ(k.host.wait(op).result, SIGRUN_OK);
        const auto got = replies.frames().at(0);
        EXPECT_EQ(got.json, R"({"a":1})");
        EXPECT_EQ(got.payload, std::string("\0\xff", 2));
        EXPECT_EQ(got.flags, std::uint32_t{SIGRUN_FRAME_LAST});
        EXPECT_EQ(c.last_seen().auth, local ? "uid 4711" : "");
    }
}

TEST(grpc_link, credentials_of_the_call_or_of_the_endpoint) {
    controller c;
    client k(c.uri, {}, R"({"token":"ours"})");
    EXPECT_FALSE(k.ask("echo").flags & SIGRUN_FRAME_ERROR);
    EXPECT_EQ(c.last_seen().auth, "bearer ours");
    sdk::recording_sink replies;
    EXPECT_EQ(k.host.wait(k.call(k.link, "echo", replies.abi(), {}, nullptr, 0, "bearer mine")).result, SIGRUN_OK);
    EXPECT_EQ(c.last_seen().auth, "bearer mine");
}

TEST(grpc_link, a_refused_call_brings_its_problem) {
    controller c;
    client k(c.uri);
    const auto got = k.ask("fail");
    EXPECT_TRUE(got.flags & SIGRUN_FRAME_ERROR);
    EXPECT_NE(got.json.find(R"("code":"not_found")"), std::string::npos) << got.json;
}

TEST(grpc_link, a_deadline_ends_the_call_on_both_sides) {
    controller c;
    client k(c.uri);
    sdk::recording_sink replies;
    auto op = k.call(k.link, "hold", replies.abi(), {}, nullptr, in_ms(150));
    EXPECT_EQ(k.host.wait(op).result, SIGRUN_E_TIMEOUT);
    EXPECT_TRUE(eventually([&] { return c.ended == 1; }));
    EXPECT_GT(c.last_seen().deadline, 0u);
    EXPECT_EQ(k.call(k.link, "hold", replies.abi(), {}, nullptr, 1), 0u);
}

TEST(grpc_link, many_replies_keep_their_order_and_a_busy_sink_holds_the_host_back) {
    controller c(options{{"max_output", "64KiB"}});
    client k(c.uri);
    sdk::recording_sink replies;
    replies.set_result(SIGRUN_E_BUSY);
    auto op = k.call(k.link, "hold", replies.abi());
    const auto held = c.first_held();
    const std::string piece(32 << 10, 'p');
    int taken = 0;
    while (c.give(held, 0, sdk::concat("{\"n\":", taken, "}"), piece) == SIGRUN_OK) {
        ++taken;
        ASSERT_LT(taken, 1000) << "nothing holds the host back";
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    EXPECT_GT(taken, 2);
    EXPECT_EQ(c.resumed, 0);
    replies.set_result(SIGRUN_OK);
    EXPECT_TRUE(eventually([&] { return c.resumed > 0; }));
    EXPECT_EQ(c.give(held, SIGRUN_FRAME_LAST, R"({"end":true})"), SIGRUN_OK);
    EXPECT_EQ(k.host.wait(op).result, SIGRUN_OK);
    const auto all = replies.frames();
    ASSERT_EQ(all.size(), static_cast<std::size_t>(taken) + 1);
    for (int i = 0; i < taken; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].json, sdk::concat("{\"n\":", i, "}"));
    std::lock_guard lock(c.mutex);
    c.held.clear();
}

TEST(grpc_link, a_session_carries_frames_both_ways) {
    for (bool elsewhere : {false, true}) {
        controller c;
        c.adopts_elsewhere = elsewhere;
        client k(c.uri);
        k.become_link(c);
        made_frame offer(SIGRUN_OFFER);
        offer.of(1).with_json(R"({"command":["true"]})").with(c.host.get(), "payload");
        EXPECT_EQ(c.table->link->execute(c.link, offer), SIGRUN_OK);
        const auto got = k.frames.wait_for(is(SIGRUN_OFFER));
        EXPECT_EQ(got.json, R"({"command":["true"]})");
        EXPECT_EQ(got.payload, "payload");
        EXPECT_EQ(got.attempt, 1u);
        made_frame ack(SIGRUN_ACK), log(SIGRUN_LOG), state(SIGRUN_STATE, SIGRUN_FRAME_LAST);
        ack.of(1).frame.stream = SIGRUN_OFFER;
        log.of(1).with(k.host.get(), "output");
        log.frame.stream = SIGRUN_STREAM_STDOUT;
        log.frame.time_ns = 12345678901234567890u;
        state.of(1).with_json(R"({"state":"succeeded"})");
        for (const sigrun_frame* f : {&ack.frame, &log.frame, &state.frame})
            EXPECT_EQ(k.table->link->send(k.link, f), SIGRUN_OK);
        c.frames.wait_for(is(SIGRUN_STATE));
        const auto all = c.frames.frames();
        ASSERT_EQ(all.size(), 3u);
        EXPECT_EQ(all[1].payload, "output");
        EXPECT_EQ(all[1].time_ns, 12345678901234567890u);
        const sigrun_attempt attempt{sizeof attempt, 1, str("0190a6b2-7c4e-7d3f-8a1b-2c3d4e5f6071"), str("7-1")};
        EXPECT_EQ(c.table->link->cancel(c.link, &attempt, 77), SIGRUN_OK);
        EXPECT_EQ(k.frames.wait_for(is(SIGRUN_CANCEL)).time_ns, 77u);
        for (auto* each : {static_cast<side*>(&c), static_cast<side*>(&k)}) {
            auto op = each->host.mint();
            auto* link = each == &c ? c.link.load() : k.link;
            EXPECT_EQ(each->table->link->ping(link, op), SIGRUN_PENDING);
            const auto pinged = each->host.wait(op);
            EXPECT_EQ(pinged.result, SIGRUN_OK);
            EXPECT_GT(boost::json::parse(pinged.text).at("rtt_ns").as_int64(), 0);
        }
        // The host closes: the other side hears it, and this side, too, once each.
        EXPECT_EQ(c.close(c.link).result, SIGRUN_OK);
        EXPECT_TRUE(k.frames.wait_for(is_last(SIGRUN_BYE)).json.find("closed by the host") != std::string::npos);
        EXPECT_TRUE(c.frames.wait_for(is_last(SIGRUN_BYE)).flags & SIGRUN_FRAME_LAST);
        c.link = nullptr;
    }
}

TEST(grpc_link, a_ping_without_a_session_is_one_of_http2) {
    controller c;
    client k(c.uri);
    auto op = k.host.mint();
    EXPECT_EQ(k.table->link->ping(k.link, op), SIGRUN_PENDING);
    EXPECT_EQ(k.host.wait(op).result, SIGRUN_OK);
    made_frame beat(SIGRUN_BEAT);
    EXPECT_EQ(k.table->link->send(k.link, beat), SIGRUN_E_IO);
}

TEST(grpc_link, a_busy_sink_holds_up_logs_and_nothing_else) {
    struct picky {
        sdk::recording_sink kept;
        std::atomic<bool> takes_logs{false};
        sigrun_sink abi{sizeof abi, 0, this, [](void* me, const sigrun_frame* f) noexcept -> sigrun_result {
                            auto& self = *static_cast<picky*>(me);
                            if (f->kind == SIGRUN_LOG && !self.takes_logs) return SIGRUN_E_BUSY;
                            return self.kept.abi()->on_frame(self.kept.abi()->ctx, f);
                        }};
    } sink;
    controller c;
    c.link_sink = &sink.abi;
    client k(c.uri);
    k.become_link(c);
    made_frame log(SIGRUN_LOG);
    log.of(1).with(k.host.get(), std::string(60000, 'l'));
    int sent = 0;
    // 512 KiB of credit, then what may wait here.
    while (k.table->link->send(k.link, log) == SIGRUN_OK) {
        log.frame.offset += 60000;
        ASSERT_LT(++sent, 1000);
    }
    EXPECT_GT(sent, 60);  // max_output is 4 MiB
    made_frame beat(SIGRUN_BEAT), state(SIGRUN_STATE, SIGRUN_FRAME_LAST), other(SIGRUN_STATE, SIGRUN_FRAME_LAST);
    beat.with_json("{}");
    EXPECT_EQ(k.table->link->send(k.link, beat), SIGRUN_OK);
    EXPECT_EQ(k.table->link->send(k.link, state.of(1).with_json("{\"one\":1}")), SIGRUN_OK);
    EXPECT_EQ(k.table->link->send(k.link, other.of(2).with_json("{\"two\":2}")), SIGRUN_OK);
    sink.kept.wait_for(is(SIGRUN_BEAT));
    EXPECT_EQ(sink.kept.wait_for(is(SIGRUN_STATE)).attempt, 2u);  // of the first one it would overtake its log
    sink.takes_logs = true;
    sink.kept.wait_for([](const sdk::recorded_frame& f) { return f.kind == SIGRUN_STATE && f.attempt == 1; });
    std::uint64_t offset = 0;
    for (const auto& f : sink.kept.frames()) {
        if (f.kind != SIGRUN_LOG) continue;
        EXPECT_EQ(f.offset, offset);
        offset += 60000;
    }
    EXPECT_EQ(offset, static_cast<std::uint64_t>(sent) * 60000);
    EXPECT_EQ(c.close(c.link).result, SIGRUN_OK);
    c.link = nullptr;
}

TEST(grpc_link, a_lost_connection_says_bye_once_and_ends_calls) {
    auto c = std::make_unique<controller>();
    client k(c->uri);
    k.become_link(*c);
    sdk::recording_sink replies;
    auto op = k.call(k.link, "hold", replies.abi());
    c->first_held();
    std::thread closing([&] { c->close(c->link); });
    closing.join();
    c.reset();
    EXPECT_LT(k.host.wait(op).result, 0);
    k.frames.wait_for(is_last(SIGRUN_BYE));
    std::size_t byes = 0;
    for (const auto& f : k.frames.frames()) byes += f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST);
    EXPECT_EQ(byes, 1u);
    const auto late = k.call(k.link, "echo", replies.abi());
    EXPECT_EQ(late ? k.host.wait(late).result : SIGRUN_E_IO, SIGRUN_E_IO);
}

TEST(grpc_link, a_link_whose_ticket_is_wrong_ends) {
    controller c;
    client k(c.uri);
    sdk::recording_sink replies;
    auto op = k.call(k.link, "link", replies.abi(), R"({"ticket":"wrong"})");
    EXPECT_EQ(k.host.wait(op).result, SIGRUN_OK);
    k.frames.wait_for(is_last(SIGRUN_BYE));
}

TEST(grpc_link, closing_with_calls_open_ends_them) {
    controller c;
    client k(c.uri);
    sdk::recording_sink replies;
    auto op = k.call(k.link, "hold", replies.abi());
    c.first_held();
    EXPECT_EQ(k.close(k.link).result, SIGRUN_OK);
    k.link = nullptr;
    EXPECT_EQ(k.host.wait(op).result, SIGRUN_E_CANCELLED);
    EXPECT_TRUE(eventually([&] { return c.ended == 1 && c.all_ended(); }));
}

TEST(grpc_link, a_large_message_goes_and_a_larger_one_is_refused) {
    controller c(options{{"max_message", "1MiB"}});
    client k(c.uri, {{"max_message", "2MiB"}});
    const std::string large(900 << 10, 'x');
    EXPECT_EQ(k.ask("echo", "\"" + large + "\"").json.size(), large.size() + 2);
    const auto refused = k.ask("echo", "\"" + std::string(1500 << 10, 'x') + "\"");
    EXPECT_TRUE(refused.flags & SIGRUN_FRAME_ERROR);
    EXPECT_NE(refused.json.find("max_message"), std::string::npos) << refused.json;
    EXPECT_EQ(k.ask("echo", "{}").json, "{}");  // the connection goes on
}
