// A controller asks its runners to come over another connection: nothing is lost on the old one.
#include "agent_rig.hpp"

#include <boost/asio/post.hpp>

namespace sigrun::agent_test {
namespace {

constexpr std::string_view k_move = R"({"reason":"the plugin is being replaced","reconnect":true})";

class agent_moving : public agent_rig {
protected:
    static void offer_over(const link_ptr& via, const try_of& t, std::string_view script) {
        const auto document =
            json::serialize(json::object{{"kind", "process"}, {"command", {"sh", "-c", std::string(script)}}});
        sigrun_attempt a{sizeof a, t.number, sdk::str(t.job), sdk::str(t.token)};
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_OFFER;
        f.json = sdk::str(document);
        f.attempt = &a;
        EXPECT_GE(via->execute(f), 0);
    }
    /// The controller's protocol tells everybody to go elsewhere, also those that come from now on.
    void retire_protocol() {
        const auto protocol = controller_.host().find(SIGRUN_KIND_PROTOCOL, "valkyrie");
        const auto* serve = protocol->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL)->serve;
        const auto deadline = (clock::system().now() + std::chrono::minutes(1)).time_since_epoch().count();
        const auto begin = [&](sigrun_op op) {
            return serve->retire(protocol->abi(), static_cast<std::uint64_t>(deadline), op);
        };
        controller_.host().call_async(*protocol, begin, [](const result<buffer_ref>&) {});
    }
    void wait_beat() {
        controller_.forget_frames();
        controller_.wait_for([](const seen_frame& f) { return f.kind == SIGRUN_BEAT; });
    }
};

TEST_F(agent_moving, it_says_hello_over_another_link_and_leaves_the_old_one_to_the_controller) {
    connect();
    auto first = controller_.wait_link();
    answer_inventory_with("keep", 6);
    auto gate = runner_->dir() / "gate";
    try_of running;
    controller_.offer_shell(running, "echo first; while [ ! -e " + gate + " ]; do sleep 0.01; done; echo second");
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == running.token; });
    controller_.send(SIGRUN_BYE, nullptr, k_move);
    controller_.wait_link(2);
    auto hello = controller_.hellos().back();
    EXPECT_EQ(hello["generation"], 2);
    EXPECT_EQ(hello["moving"], true);
    EXPECT_EQ(hello["inventory"].as_array().size(), 1u);
    EXPECT_TRUE(first->alive());

    // An offer that went over the old link a moment before is taken and answered there.
    try_of late;
    offer_over(first, late, "echo late");
    EXPECT_EQ(controller_.wait_final(late).parsed()["state"], "succeeded");
    EXPECT_EQ(controller_.log_of(late), "late\n");
    std::ofstream(gate) << "go";
    EXPECT_EQ(controller_.wait_final(running).parsed()["state"], "succeeded");
    EXPECT_EQ(controller_.log_of(running), "first\nsecond\n");

    first->close();
    EXPECT_TRUE(eventually([&] { return first->gone(); }));
    wait_beat();
    EXPECT_EQ(controller_.hellos().size(), 2u) << "the end of the old link is no loss";
    wait_forgotten();
}

TEST_F(agent_moving, while_it_cannot_it_works_over_the_old_link_and_tries_again) {
    connect();
    auto first = controller_.wait_link();
    controller_.shut_door();
    controller_.send(SIGRUN_BYE, nullptr, k_move);
    try_of t;
    controller_.offer_shell(t, "echo still here");
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    EXPECT_TRUE(first->alive());
    controller_.open_door();
    controller_.wait_link(2);
    EXPECT_EQ(controller_.hellos().back()["moving"], true);
    EXPECT_TRUE(first->alive());
}

TEST_F(agent_moving, a_try_that_was_told_to_move_itself_and_then_failed_is_made_again) {
    connect();
    std::atomic<int> asked{0};
    controller_.welcome = [&](const json::object&) {
        if (++asked == 1) throw std::runtime_error("not now");
        return json::object{{"beat_ms", 100}, {"verdicts", json::array{}}};
    };
    retire_protocol();
    controller_.wait_link(2);
    EXPECT_GE(asked, 2);
    runner_.reset();  // it goes on moving as long as it is told to
}

TEST_F(agent_moving, asked_again_over_the_new_link_it_moves_again) {
    connect();
    for (std::size_t n = 2; n < 6; ++n) {
        auto old = controller_.wait_link();
        controller_.send(SIGRUN_BYE, nullptr, k_move);
        controller_.wait_link(n);
        old->close();
        try_of t;
        controller_.offer_shell(t, "echo over link");
        EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    }
    EXPECT_EQ(controller_.hellos().size(), 5u);
}

TEST_F(agent_moving, another_reason_to_move_does_not_end_the_link_that_is_on_its_way) {
    connect();
    auto first = controller_.wait_link();
    controller_.welcome = [&](const json::object& hello) {
        if (hello.at("generation") == 2) {
            auto& host = runner_->host();
            (*runner_)->leave_protocol(host.find(SIGRUN_KIND_EXECUTOR, "call"));  // any other plugin
            std::promise<void> done;
            boost::asio::post(host.io(), [&] { done.set_value(); });
            done.get_future().wait();
        }
        return json::object{{"beat_ms", 100}, {"verdicts", json::array{}}};
    };
    controller_.send(SIGRUN_BYE, nullptr, k_move);
    auto second = controller_.wait_link(2);
    first->close();
    EXPECT_TRUE(eventually([&] { return first->gone(); }));
    wait_beat();
    EXPECT_TRUE(second->alive());
    EXPECT_EQ(controller_.hellos().size(), 2u);
}

TEST_F(agent_moving, a_link_that_breaks_before_there_is_another_is_a_loss_like_any) {
    connect();
    controller_.shut_door();
    controller_.send(SIGRUN_BYE, nullptr, k_move);
    controller_.drop();
    controller_.open_door();
    controller_.wait_link(2);
    try_of t;
    controller_.offer_shell(t, "echo back again");
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
}

TEST_F(agent_moving, a_farewell_that_asks_for_nothing_changes_nothing) {
    connect();
    controller_.send(SIGRUN_BYE, nullptr, R"({"reason":"good night"})");
    controller_.send(SIGRUN_BYE, nullptr, "not json");
    wait_beat();
    EXPECT_EQ(controller_.hellos().size(), 1u);
}

TEST_F(agent_moving, a_runner_that_was_dialled_leaves_it_to_its_controller_to_dial_again) {
    runner_ = std::make_unique<runner_under_test>();
    runner_->listen();
    controller_.dial_runner("valkyrie://" + runner_->listening_at(), "me");
    auto first = controller_.wait_link(1);
    controller_.send(SIGRUN_BYE, nullptr, k_move);
    controller_.dial_runner("valkyrie://" + runner_->listening_at(), "me");
    try_of t;
    offer_over(first, t, "echo over the old one");
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    runner_->stop_listening();
    first->close();
    try_of next;
    controller_.offer_shell(next, "echo over the new one");
    EXPECT_EQ(controller_.wait_final(next).parsed()["state"], "succeeded");
}

}  // namespace
}  // namespace sigrun::agent_test
