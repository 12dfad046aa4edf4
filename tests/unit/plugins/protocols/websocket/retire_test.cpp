// A newer generation has taken over: what only this protocol's connections do then. The rest is in pair/retire_test.cpp.
#include "unit/plugins/protocols/pair/old_controller.hpp"
#include "ws_rig.hpp"

using namespace rig;

TEST(websocket_retire, an_upgrade_that_was_under_way_is_finished_and_then_told) {
    old_controller server;
    auto peer = raw_client::dial(server);
    const auto request = upgrade_request();
    peer.say(request.substr(0, 40));
    ASSERT_TRUE(eventually([&] { return server.accepted() == 1; }));
    auto done = server.retire(20000);
    peer.say(request.substr(40));
    EXPECT_EQ(peer.hear_head().substr(0, 12), "HTTP/1.1 101");
    EXPECT_NE(peer.hear().payload.find(R"("reconnect":true)"), std::string::npos);
    peer.say_text(R"({"kind":"call","id":1,"method":"echo","json":{"n":1}})");
    EXPECT_EQ(peer.hear().payload, R"({"kind":"reply","id":1,"flags":1,"json":{"n":1}})");
    peer.close();
    EXPECT_EQ(server.host.wait(done).result, SIGRUN_OK);
}

TEST(websocket_retire, closes_that_cross_leave_no_connection_behind) {
    old_controller server;
    for (int i = 0; i < 20; ++i) {
        // The message makes this side close while the peer's Close lies behind it, read already.
        auto peer = raw_client::open(server);
        peer.say(raw_client::frame(0x81, "no JSON") + raw_client::frame(0x88, "\x03\xe8"));
        EXPECT_EQ(peer.hear_close().opcode, 8u);
    }
    EXPECT_EQ(server.host.wait(server.retire(20000)).result, SIGRUN_OK);
}
