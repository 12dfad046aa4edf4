// A newer generation has taken over: what only this protocol's connections do then. The rest is in pair/retire_test.cpp.
#include "connection.hpp"
#include "raw_peer.hpp"
#include "unit/plugins/protocols/pair/old_controller.hpp"

using namespace rig;

TEST(valkyrie_retire, a_handshake_that_was_under_way_is_finished_and_then_told) {
    old_controller server;
    auto peer = raw_peer::dial(server.uri);
    ASSERT_TRUE(eventually([&] { return server.accepted() == 1; }));
    auto done = server.retire(20000);
    peer.dial_handshake();
    std::string body;
    auto told = peer.hear_frame(body);
    EXPECT_EQ(told.type, vlk::type::reconnect);
    EXPECT_EQ(told.stream, 0u);
    EXPECT_NE(body.find(R"("reconnect":true)"), body.npos);
    peer.say(call_frame(16, "echo"));
    EXPECT_EQ(peer.hear_frame(body).type, vlk::type::reply);
    peer.close();
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
}

// A peer that ignores the request. The plugin waits 30 s for it, so the connection is made here, with less.
namespace {
struct lone_connection {
    sdk::mock_host host;
    std::shared_ptr<vlk::core> shared = std::make_shared<vlk::core>();
    std::unique_ptr<vlk::loop> on;
    int ends[2];

    lone_connection() {
        shared->host = host.get();
        shared->calls = shared->host.service<sigrun_svc_call>(SIGRUN_SVC_CALL);
        shared->options.preface_timeout = std::chrono::seconds(5);
        shared->options.max_frame = 1 << 20;
        shared->options.max_message = 1 << 24;
        shared->options.max_streams = 16;
        shared->options.max_output = 1 << 20;
        shared->options.retired_idle = std::chrono::milliseconds(150);
        on = std::make_unique<vlk::loop>(shared->host, "test");
        on->start();
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        auto lifetime = host.mint();
        on->post([this, lifetime] {
            vlk::origin from{vlk::role::accepted, 1, {}, lifetime, nullptr};
            std::make_shared<vlk::connection>(shared, *on, ends[0], from)->start(in_ms(5000), nullptr);
        });
    }
    ~lone_connection() { on->stop(); }
    void retire() {
        shared->retiring = true;
        on->post([this] { on->each([](vlk::io_handler& one) { dynamic_cast<vlk::connection&>(one).retire(); }); });
    }
};
}  // namespace

TEST(valkyrie_retire, a_peer_that_ignores_it_is_closed_when_it_has_not_called_for_a_while) {
    lone_connection old;
    sigrun_sink held{};
    std::atomic<bool> waiting{false};
    old.host.on_call = [&](std::uint64_t, const sigrun_call&, const sigrun_sink& replies, std::uint64_t* id,
                           sigrun_error*) -> sigrun_result {
        held = replies;
        *id = 1;
        waiting = true;
        return SIGRUN_PENDING;
    };
    raw_peer peer(old.ends[1]);
    peer.dial_handshake();
    peer.say(call_frame(16, "hold"));
    ASSERT_TRUE(eventually([&] { return waiting.load(); }));
    const auto told = in_ms(0);
    old.retire();
    std::string body;
    EXPECT_EQ(peer.hear_frame(body).type, vlk::type::reconnect);
    // While the call is open nothing ends, however long it takes: PING is still answered after twice the time.
    while (in_ms(0) < told + 300'000'000) {
        peer.say(vlk::type::ping, 0, 0, "12345678");
        ASSERT_EQ(peer.hear_frame(body).type, vlk::type::pong);
    }
    const auto answered = in_ms(0);
    made_frame last(SIGRUN_REPLY, SIGRUN_FRAME_LAST);
    EXPECT_EQ(held.on_frame(held.ctx, last), SIGRUN_OK);
    EXPECT_EQ(peer.hear_frame(body).type, vlk::type::reply);
    EXPECT_EQ(peer.hear_goaway(), std::uint64_t{vlk::code::shutdown});
    EXPECT_GE(in_ms(0), answered + 150'000'000) << "counted from the end of its last call";
}
