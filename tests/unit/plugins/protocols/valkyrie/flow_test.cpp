// Backpressure and order: bulk never delays control, nothing grows without bound, nothing is lost.
#include "raw_peer.hpp"

using namespace rig;

namespace {

/// Takes everything, but LOG frames only while it is open.
struct log_gate {
    sdk::recording_sink inner;
    std::atomic<bool> open{false};
    std::atomic<std::uint64_t> log_bytes{0}, refused{0}, logs{0}, out_of_order{0};
    sigrun_sink abi{sizeof(sigrun_sink), 0, this, &take};
    static sigrun_result take(void* self, const sigrun_frame* f) noexcept {
        auto& gate = *static_cast<log_gate*>(self);
        if (f->kind != SIGRUN_LOG) return gate.inner.abi()->on_frame(gate.inner.abi()->ctx, f);
        if (!gate.open) return ++gate.refused, SIGRUN_E_BUSY;
        if (f->offset != gate.log_bytes) ++gate.out_of_order;
        gate.log_bytes += sdk::mock::content(f->payload).size();
        ++gate.logs;
        return SIGRUN_OK;
    }
};

}  // namespace

TEST(valkyrie_flow, a_control_frame_overtakes_64_mib_of_bulk) {
    log_gate gate;
    controller server;
    server.link_sink = &gate.abi;
    client runner(server.uri, {{"max_output", "128MiB"}});
    runner.become_link(server);
    constexpr std::uint64_t k_total = 64 << 20;
    sdk::buffer piece(runner.host.get(), std::string(SIGRUN_LOG_MAX, 'x'));
    for (std::uint64_t at = 0; at < k_total; at += SIGRUN_LOG_MAX) {
        made_frame log(SIGRUN_LOG);
        log.of(1);
        log.frame.offset = at;
        log.frame.payload = piece.get();
        ASSERT_EQ(runner.table->link->send(runner.link, log), SIGRUN_OK);
    }
    made_frame final_state(SIGRUN_STATE, SIGRUN_FRAME_LAST);
    final_state.of(1);
    ASSERT_EQ(runner.table->link->send(runner.link, final_state), SIGRUN_OK);
    made_frame other_state(SIGRUN_STATE, SIGRUN_FRAME_LAST);
    other_state.of(2);
    ASSERT_EQ(runner.table->link->send(runner.link, other_state), SIGRUN_OK);
    made_frame beat(SIGRUN_BEAT);
    ASSERT_EQ(runner.table->link->send(runner.link, beat), SIGRUN_OK);

    // The sink takes no log at all, yet both control frames arrive, and a round trip is possible.
    gate.inner.wait_for(is(SIGRUN_BEAT));
    EXPECT_EQ(gate.inner.wait_for(is(SIGRUN_STATE)).attempt, 2u);
    EXPECT_EQ(gate.log_bytes, 0u);
    auto op = runner.host.mint();
    EXPECT_EQ(runner.table->link->ping(runner.link, op), SIGRUN_PENDING);
    EXPECT_EQ(runner.host.wait(op).result, SIGRUN_OK);

    gate.open = true;  // found out by offering again
    auto last = gate.inner.wait_for([](const auto& f) { return f.kind == SIGRUN_STATE && f.attempt == 1; },
                                    std::chrono::seconds(60));
    EXPECT_EQ(gate.log_bytes, k_total);  // the final state of an attempt never overtakes its log
    EXPECT_EQ(gate.out_of_order, 0u);
    EXPECT_GT(gate.refused, 0u);
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(valkyrie_flow, an_acknowledgement_makes_a_busy_sink_be_asked_again) {
    log_gate gate;
    controller server;
    server.link_sink = &gate.abi;
    client runner(server.uri);
    runner.become_link(server);
    made_frame log(SIGRUN_LOG);
    log.of(1).with(runner.host.get(), "text");
    ASSERT_EQ(runner.table->link->send(runner.link, log), SIGRUN_OK);
    ASSERT_TRUE(eventually([&] { return gate.refused > 0; }));
    gate.open = true;
    made_frame ack(SIGRUN_ACK);
    ack.of(1);
    ASSERT_EQ(server.table->link->send(server.link, ack), SIGRUN_OK);
    EXPECT_TRUE(eventually([&] { return gate.log_bytes == 4; }));
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(valkyrie_flow, a_peer_that_does_not_read_costs_bounded_memory_and_is_cut_off) {
    raw_listener at;
    side runner;
    runner.start({{"max_output", "1MiB"}});
    sdk::recording_sink frames;
    sigrun_link* link = nullptr;
    sigrun_endpoint to{sizeof to, 0, str(at.uri), str(""), str(""), 0};
    auto op = runner.host.mint();
    ASSERT_EQ(runner.table->dial->open(runner.instance, &to, frames.abi(), op, &link), SIGRUN_PENDING);
    auto peer = raw_peer::accept_from(at);
    peer.accept_handshake();
    ASSERT_EQ(runner.host.wait(op).result, SIGRUN_OK);

    std::uint64_t logs = 0;
    made_frame log(SIGRUN_LOG);
    log.of(1).with(runner.host.get(), std::string(SIGRUN_LOG_MAX, 'x'));
    while (runner.table->link->send(link, log) == SIGRUN_OK) ++logs;
    EXPECT_EQ(runner.table->link->send(link, log), SIGRUN_E_BUSY);
    EXPECT_LT(logs * SIGRUN_LOG_MAX, 8u << 20);  // queue, credit and socket buffers

    made_frame beat(SIGRUN_BEAT);
    beat.with_json(std::string(60'000, 'b'));
    std::uint64_t beats = 0;
    while (runner.table->link->send(link, beat) == SIGRUN_OK && beats < 10'000) ++beats;
    EXPECT_EQ(runner.table->link->send(link, beat), SIGRUN_E_IO);
    EXPECT_LT(beats, 2000u);
    auto bye = frames.wait_for(is(SIGRUN_BYE));
    EXPECT_NE(bye.json.find("does not read"), std::string::npos) << bye.json;
    EXPECT_EQ(runner.close(link).result, SIGRUN_OK);
}

TEST(valkyrie_flow, frames_beyond_what_the_peer_takes_are_refused_at_once) {
    controller server(options{{"max_message", "1MiB"}});
    client c(server.uri);
    sdk::buffer big(c.host.get(), std::string(2 << 20, 'x'));
    sdk::recording_sink replies;
    sigrun_call call{sizeof call, 0, str("echo"), str(""), str(""), str(""), big.get(), 0};
    auto op = c.host.mint();
    EXPECT_EQ(c.table->link->call(c.link, &call, replies.abi(), op), SIGRUN_E_INVALID);
    c.host.forget(op);
    made_frame offer(SIGRUN_OFFER);
    offer.of(1);
    offer.frame.payload = big.get();
    EXPECT_EQ(c.table->link->execute(c.link, offer), SIGRUN_E_INVALID);
    made_frame log(SIGRUN_LOG);
    log.of(1).with(c.host.get(), std::string(SIGRUN_LOG_MAX + 1, 'x'));
    EXPECT_EQ(c.table->link->send(c.link, log), SIGRUN_E_INVALID);
    made_frame beat(SIGRUN_BEAT);
    EXPECT_EQ(c.table->link->execute(c.link, beat), SIGRUN_E_INVALID);
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), "{}")).result,
              SIGRUN_OK);  // the link goes on
}

namespace {

/// What the kernel does with an answer that met a full queue: keeps it and offers it again when told to.
struct patient_host {
    controller& server;
    std::mutex mutex;
    std::map<std::uint64_t, sigrun_sink> waiting;  // calls whose LAST was refused
    std::string text;
    std::atomic<int> refused{0};

    explicit patient_host(controller& to, std::size_t size) : server(to), text(size, 'a') {
        server.host.on_resume = [this](std::uint64_t id) {
            sigrun_sink sink;
            {
                std::lock_guard lock(mutex);
                auto found = waiting.find(id);
                if (found == waiting.end()) return;
                sink = found->second;
                waiting.erase(found);
            }
            answer(id, sink);
        };
    }
    void answer(std::uint64_t id, const sigrun_sink& sink) {
        made_frame last(SIGRUN_REPLY, SIGRUN_FRAME_LAST);
        last.with_json(text);
        {
            std::lock_guard lock(mutex);
            waiting[id] = sink;  // before the sink can ask for it
        }
        if (sink.on_frame(sink.ctx, last) == SIGRUN_E_BUSY) {
            ++refused;
            return;
        }
        std::lock_guard lock(mutex);
        waiting.erase(id);
    }
};

}  // namespace

TEST(valkyrie_flow, a_message_larger_than_the_queue_goes_when_the_queue_is_empty) {
    controller server;
    client c(server.uri, {{"max_output", "256KiB"}});
    c.become_link(server);
    sdk::buffer big(c.host.get(), std::string(1 << 20, 'x'));
    sdk::recording_sink replies;
    auto op = c.call(c.link, "echo", replies.abi(), "{}", big.get());
    ASSERT_NE(op, 0u);
    EXPECT_EQ(c.host.wait(op).result, SIGRUN_OK);
    made_frame state(SIGRUN_STATE, SIGRUN_FRAME_LAST);
    state.of(1);
    state.frame.payload = big.get();
    ASSERT_EQ(c.table->link->send(c.link, state), SIGRUN_OK);
    EXPECT_EQ(server.frames.wait_for(is(SIGRUN_STATE)).payload.size(), std::size_t{1} << 20);
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(valkyrie_flow, a_hundred_large_answers_to_a_slow_reader_all_arrive) {
    controller server(options{{"max_output", "1MiB"}});
    patient_host kernel(server, 300'000);
    client c(server.uri);
    std::vector<std::unique_ptr<sdk::recording_sink>> sinks;
    std::vector<sigrun_op> ops;
    for (int i = 0; i < 100; ++i) {
        sinks.push_back(std::make_unique<sdk::recording_sink>());
        ops.push_back(c.call(c.link, "hold", sinks.back()->abi()));
    }
    ASSERT_TRUE(eventually([&] { return server.held_count() == 100; }));
    std::map<std::uint64_t, controller::held_call> held;
    {
        std::lock_guard lock(server.mutex);
        held.swap(server.held);
    }
    for (const auto& [id, call] : held) kernel.answer(id, call.replies);
    for (std::size_t i = 0; i < ops.size(); ++i) {
        ASSERT_EQ(c.host.wait(ops[i]).result, SIGRUN_OK);
        EXPECT_EQ(sinks[i]->frames().at(0).json.size(), 300'000u);
    }
    EXPECT_GT(kernel.refused, 0);
}

TEST(valkyrie_flow, a_session_frame_never_overtakes_a_large_reply_that_makes_the_link) {
    controller server;
    server.host.on_adopt = [&server](std::uint64_t, std::string_view, sigrun_link* adopted, const sigrun_sink** sink,
                                     sigrun_error*) {
        *sink = server.link_sink;
        made_frame beat(SIGRUN_BEAT);  // at once, while the reply is still queued
        EXPECT_EQ(server.table->link->send(adopted, beat), SIGRUN_OK);
        server.link = adopted;
        return sigrun_result{SIGRUN_OK};
    };
    client runner(server.uri);
    sdk::recording_sink replies;
    auto document = sdk::concat(R"({"ticket":"t1","facts":")", std::string(100'000, 'f'), R"("})");
    EXPECT_EQ(runner.host.wait(runner.call(runner.link, "link", replies.abi(), document)).result, SIGRUN_OK);
    EXPECT_EQ(replies.frames().at(0).json, document);
    runner.frames.wait_for(is(SIGRUN_BEAT));
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST(valkyrie_flow, a_last_reply_is_resumed_although_the_call_has_no_credit_left) {
    controller server(options{{"max_output", "256KiB"}});
    patient_host kernel(server, 100'000);
    auto peer = raw_peer::dial(server.uri);
    vlk::hello mine;
    mine.call_window = 1;
    peer.greet(mine);
    peer.hear_hello();
    vlk::byte_buffer calls;
    sigrun_call hold{sizeof hold, 0, str("hold"), str(""), str("{}"), str(""), nullptr, 0};
    for (std::uint32_t stream = 16; stream < 116; ++stream) {
        EXPECT_FALSE(vlk::encode_call(calls, {stream, 0}, hold, 0, {}));
    }
    peer.say(calls.view());
    ASSERT_TRUE(eventually([&] { return server.held_count() == 100; }));
    std::map<std::uint64_t, controller::held_call> held;
    {
        std::lock_guard lock(server.mutex);
        held.swap(server.held);
    }
    made_frame part(SIGRUN_REPLY);
    part.with_json("{}");
    for (const auto& [id, call] : held) {
        EXPECT_EQ(call.replies.on_frame(call.replies.ctx, part), SIGRUN_OK);  // overdraws the credit
    }
    for (const auto& [id, call] : held) kernel.answer(id, call.replies);
    EXPECT_GT(kernel.refused, 0);
    int last = 0;
    for (std::string body; last < 100;) {  // reads only now
        auto h = peer.hear_frame(body);
        ASSERT_EQ(h.type, vlk::type::reply);
        if (h.flags & vlk::flag::last && !(h.flags & vlk::flag::more)) ++last;
    }
    EXPECT_EQ(last, 100);
}
