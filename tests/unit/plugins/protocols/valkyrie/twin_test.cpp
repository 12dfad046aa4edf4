// The plugin against the second implementation (valkyrie_twin.py), in both roles, with and without checksums.
#include "rig.hpp"

using namespace rig;

namespace {
struct with_twin : testing::TestWithParam<const char*> {
    options with() const { return {{"crc", GetParam()}}; }
};
}  // namespace
INSTANTIATE_TEST_SUITE_P(valkyrie, with_twin, testing::Values("off", "on"));

TEST_P(with_twin, mission_V1_the_twin_dials_the_plugin) {
    controller server(with());
    twin peer({"dial", "127.0.0.1", server.uri.substr(server.uri.rfind(':') + 1)});
    ASSERT_TRUE(eventually([&] { return server.link.load() != nullptr; }));
    made_frame offer(SIGRUN_OFFER);
    offer.of(1).with_json("{}").with(server.host.get(), "abc");
    ASSERT_EQ(server.table->link->execute(server.link, offer), SIGRUN_OK);
    EXPECT_EQ(server.frames.wait_for(is(SIGRUN_LOG)).payload, "hello from the twin");
    auto state = server.frames.wait_for(is(SIGRUN_STATE));
    EXPECT_EQ(state.payload, "abc");
    EXPECT_EQ(state.offset, 19u);
    made_frame ack(SIGRUN_ACK);
    ack.of(1);
    ack.frame.stream = SIGRUN_STATE;
    ASSERT_EQ(server.table->link->send(server.link, ack), SIGRUN_OK);
    EXPECT_EQ(peer.line(), "dialled");
    EXPECT_EQ(peer.wait(), 0);
    server.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
}

TEST_P(with_twin, mission_V1_the_plugin_dials_the_twin) {
    twin peer({"serve"});
    client c("valkyrie://127.0.0.1:" + peer.line(), with());
    auto op = c.host.mint();
    EXPECT_EQ(c.table->link->ping(c.link, op), SIGRUN_PENDING);
    EXPECT_EQ(c.host.wait(op).result, SIGRUN_OK);

    sdk::recording_sink replies, parts;
    sdk::buffer payload(c.host.get(), std::string(200'000, 'p'));  // goes in pieces
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), R"({"x":1})", payload.get())).result, SIGRUN_OK);
    EXPECT_EQ(replies.frames().at(0).json, R"({"x":1})");
    EXPECT_TRUE(replies.frames().at(0).payload == std::string(200'000, 'p'));

    EXPECT_EQ(c.host.wait(c.call(c.link, "stream", parts.abi())).result, SIGRUN_OK);
    ASSERT_EQ(parts.frames().size(), 9u);
    for (std::size_t i = 0; i < 8; ++i)
        EXPECT_TRUE(parts.frames()[i].payload == std::string(60'000, static_cast<char>(i))) << i;

    sdk::recording_sink ticket;
    EXPECT_EQ(c.host.wait(c.call(c.link, "link", ticket.abi())).result, SIGRUN_OK);
    made_frame offer(SIGRUN_OFFER);
    offer.of(3, "not a uuid").with_json("{}");
    EXPECT_EQ(c.table->link->execute(c.link, offer), SIGRUN_OK);
    auto ack = c.frames.wait_for(is(SIGRUN_ACK));
    EXPECT_EQ(ack.job, "not a uuid");
    EXPECT_EQ(ack.attempt, 3u);
    EXPECT_EQ(ack.stream, std::uint32_t{SIGRUN_OFFER});
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    EXPECT_EQ(peer.line(), "served");
    EXPECT_EQ(peer.wait(), 0);
}

TEST_P(with_twin, the_twin_is_told_to_reconnect_and_its_calls_go_on) {
    controller server(with());
    twin peer({"dial_on", "127.0.0.1", server.uri.substr(server.uri.rfind(':') + 1)});
    ASSERT_EQ(peer.line(), "ready");
    auto first = server.link.exchange(nullptr);
    ASSERT_NE(first, nullptr);
    auto done = server.host.mint();
    ASSERT_EQ(server.table->serve->retire(server.instance, in_ms(20000), done), SIGRUN_OK);
    EXPECT_EQ(peer.line(), "moved");
    EXPECT_EQ(peer.wait(), 0);
    EXPECT_EQ(server.close(first).result, SIGRUN_OK);
    EXPECT_EQ(server.close(server.link).result, SIGRUN_OK);
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
}

TEST_P(with_twin, the_twin_retires_and_the_dialling_side_hears_it_once_and_goes_on) {
    twin peer({"serve"});
    client c("valkyrie://127.0.0.1:" + peer.line(), with());
    sdk::recording_sink replies;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(c.host.wait(c.call(c.link, "retire", replies.abi(), "{}")).result, SIGRUN_OK);
    auto bye = c.frames.wait_for(is(SIGRUN_BYE));
    EXPECT_EQ(bye.flags, 0u);
    EXPECT_EQ(bye.json, R"({"reason":"twin","reconnect":true})");
    EXPECT_EQ(c.host.wait(c.call(c.link, "echo", replies.abi(), R"({"x":1})")).result, SIGRUN_OK);
    EXPECT_EQ(c.close(std::exchange(c.link, nullptr)).result, SIGRUN_OK);
    EXPECT_EQ(c.frames.frames().size(), 2u);
    EXPECT_EQ(peer.line(), "served");
    EXPECT_EQ(peer.wait(), 0);
}
