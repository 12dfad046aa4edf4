// Offers: what is accepted, what is refused, and what comes back.
#include "agent_rig.hpp"

namespace sigrun::agent_test {
namespace {

class agent_offer : public agent_rig {};

TEST_F(agent_offer, registers_with_a_complete_hello) {
    connect();
    auto hello = controller_.hellos().at(0);
    EXPECT_EQ(hello["name"], "tested");
    EXPECT_GE(hello["key"].as_string().size(), 16u);
    EXPECT_FALSE(hello["session"].as_string().empty());
    EXPECT_EQ(hello["generation"], 1);
    EXPECT_EQ(hello["slots"], 2);
    EXPECT_EQ(hello["labels"].as_object()["zone"], "eu");
    EXPECT_EQ(hello["inventory"].as_array().size(), 0u);
    auto kinds = json::serialize(hello["kinds"]);
    EXPECT_NE(kinds.find("\"process\""), std::string::npos);
    EXPECT_NE(kinds.find("\"call\""), std::string::npos);
    EXPECT_NE(json::serialize(hello["facts"]).find("runner.slots"), std::string::npos);
}

TEST_F(agent_offer, a_process_job_is_acknowledged_runs_and_is_forgotten_after_its_ack) {
    connect();
    try_of t;
    controller_.offer_shell(t, "echo out; echo err >&2; exit 3");
    auto end = controller_.wait_final(t);
    auto state = end.parsed();
    EXPECT_EQ(state["state"], "failed");
    EXPECT_EQ(state["exit_code"], 3);
    EXPECT_EQ(state["failure"].as_object()["class"], "user");
    EXPECT_TRUE(state.contains("usage"));
    EXPECT_EQ(end.attempt, 1u);
    EXPECT_EQ(end.job, t.job);
    auto log = controller_.log_of(t);
    EXPECT_EQ(log.size(), 8u);
    EXPECT_EQ(end.offset, log.size());
    auto frames = controller_.frames(t);
    ASSERT_GE(frames.size(), 4u);
    EXPECT_EQ(frames[0].kind, std::uint32_t{SIGRUN_ACK});
    EXPECT_FALSE(frames[0].refusal());
    EXPECT_TRUE(frames.back().final_state()) << "nothing follows the final state";
    wait_forgotten();
    EXPECT_TRUE(eventually([&] { return runner_->workspaces() == 0; }));
}

TEST_F(agent_offer, success_is_reported_with_exit_code_zero) {
    connect();
    try_of t;
    controller_.offer_shell(t, "exit 0");
    auto state = controller_.wait_final(t).parsed();
    EXPECT_EQ(state["state"], "succeeded");
    EXPECT_EQ(state["exit_code"], 0);
}

TEST_F(agent_offer, a_memory_call_is_one_frame_and_leaves_nothing) {
    connect();
    try_of t;
    controller_.offer(t, {{"kind", "call"}, {"command", {"echo"}}, {"durability", "memory"}}, "payload");
    auto end = controller_.wait_final(t);
    EXPECT_EQ(end.json, "");
    EXPECT_EQ(end.payload, "payload");
    EXPECT_EQ(controller_.frames(t).size(), 1u);
    EXPECT_EQ((*runner_)->open_attempts(), 0u);
}

TEST_F(agent_offer, a_durable_call_is_kept_until_its_ack) {
    connect();
    controller_.ack_states = false;
    try_of t;
    controller_.offer(t, {{"kind", "call"}, {"command", {"echo"}}}, "payload");
    EXPECT_EQ(controller_.wait_final(t).payload, "payload");
    EXPECT_EQ((*runner_)->open_attempts(), 1u);
    EXPECT_EQ((*runner_)->running(), 0u);
    controller_.ack(t, SIGRUN_STATE);
    wait_forgotten();
}

TEST_F(agent_offer, a_failing_call_says_why) {
    connect();
    try_of t;
    controller_.offer(t, {{"kind", "call"}, {"command", {"nope"}}, {"durability", "memory"}});
    auto state = controller_.wait_final(t).parsed();
    EXPECT_EQ(state["state"], "failed");
    EXPECT_EQ(state["exit_code"], 127);
    EXPECT_EQ(state["failure"].as_object()["class"], "user");
    EXPECT_NE(state["failure"].as_object()["message"].as_string().find("echo"), json::string::npos);
}

TEST_F(agent_offer, the_same_offer_twice_runs_once) {
    connect();
    auto marks = runner_->dir() / "marks";
    try_of t;
    auto script = "echo run >> " + marks + "; sleep 0.2";
    controller_.offer_shell(t, script);
    controller_.offer_shell(t, script);
    controller_.wait_final(t);
    wait_forgotten();
    EXPECT_EQ(read_file(marks), "run\n");
    for (const auto& f : controller_.frames(t)) EXPECT_FALSE(f.refusal()) << f.json;
}

TEST_F(agent_offer, an_ended_attempt_answers_a_repeated_offer_with_its_final_state) {
    connect();
    controller_.ack_states = false;
    auto marks = runner_->dir() / "marks";
    try_of t;
    controller_.offer_shell(t, "echo run >> " + marks);
    controller_.wait_final(t);
    controller_.forget_frames();
    controller_.offer_shell(t, "echo run >> " + marks);
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    EXPECT_EQ(read_file(marks), "run\n");
}

TEST_F(agent_offer, the_same_attempt_under_another_token_is_refused) {
    connect();
    try_of t;
    controller_.offer_shell(t, "echo up; sleep 100");
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == t.token; });
    try_of stale = t;
    stale.token = "9:9:stale";
    controller_.offer_shell(stale, "true");
    EXPECT_TRUE(controller_.wait_answer(stale).refusal());
    controller_.send(SIGRUN_CANCEL, &t, {}, 1);
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "cancelled");
}

TEST_F(agent_offer, a_newer_attempt_of_the_same_job_ends_the_older_one) {
    connect();
    try_of old;
    controller_.offer_shell(old, "echo up; sleep 100");
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == old.token; });
    try_of fresh{old.job, 2};
    controller_.offer_shell(fresh, "echo new");
    EXPECT_EQ(controller_.wait_final(fresh).parsed()["state"], "succeeded");
    wait_forgotten();
    for (const auto& f : controller_.frames(old)) EXPECT_FALSE(f.final_state()) << "a fenced attempt reports nothing";
}

TEST_F(agent_offer, an_offer_of_an_attempt_that_is_over_is_refused_and_runs_nothing) {
    connect();
    auto file = runner_->dir() / "ran";
    try_of t;
    controller_.offer_shell(t, "echo x >> " + file);
    controller_.wait_final(t);
    wait_forgotten();
    controller_.forget_frames();
    controller_.offer_shell(t, "echo x >> " + file);  // it was stuck on a dying link
    EXPECT_TRUE(controller_.wait_answer(t).refusal());
    try_of other;
    controller_.offer_shell(other, "cat " + file);
    controller_.wait_final(other);
    EXPECT_EQ(controller_.log_of(other), "x\n");
}

TEST_F(agent_offer, a_full_runner_refuses_and_takes_again_when_a_place_is_free) {
    connect();
    try_of a, b, c, d;
    controller_.offer_shell(a, "sleep 100");
    controller_.offer_shell(b, "sleep 100");
    EXPECT_FALSE(controller_.wait_answer(a).refusal());
    EXPECT_FALSE(controller_.wait_answer(b).refusal());
    controller_.offer_shell(c, "true");
    auto no = controller_.wait_answer(c);
    ASSERT_TRUE(no.refusal());
    EXPECT_EQ(no.parsed()["code"], "busy");
    controller_.send(SIGRUN_CANCEL, &a, {}, 1);
    controller_.wait_final(a);
    controller_.offer_shell(d, "true");
    EXPECT_EQ(controller_.wait_final(d).parsed()["state"], "succeeded");
}

TEST_F(agent_offer, what_nobody_here_can_run_is_refused) {
    connect();
    try_of kind, garbage, timeout;
    controller_.offer(kind, {{"kind", "container"}, {"command", {"true"}}});
    auto no = controller_.wait_answer(kind);
    ASSERT_TRUE(no.refusal());
    EXPECT_NE(no.parsed()["message"].as_string().find("container"), json::string::npos);
    controller_.send(SIGRUN_OFFER, &garbage, "{not json");
    EXPECT_TRUE(controller_.wait_answer(garbage).refusal());
    controller_.offer(timeout, {{"command", {"true"}}, {"timeouts", {{"run", "soon"}}}});
    EXPECT_TRUE(controller_.wait_answer(timeout).refusal());
    EXPECT_EQ((*runner_)->open_attempts(), 0u);
    EXPECT_EQ((*runner_)->running(), 0u);
}

TEST_F(agent_offer, too_little_disk_is_a_refusal_with_the_numbers) {
    connect([](agent_options& o) { o.min_free_disk = std::uint64_t{1} << 60; });
    try_of t;
    controller_.offer_shell(t, "true");
    auto no = controller_.wait_answer(t);
    ASSERT_TRUE(no.refusal());
    EXPECT_NE(no.parsed()["message"].as_string().find("min_free_disk"), json::string::npos) << no.json;
    wait_forgotten();
    EXPECT_EQ((*runner_)->running(), 0u);
}

TEST_F(agent_offer, a_workspace_that_cannot_be_made_is_a_refusal) {
    connect([](agent_options& o) {
        std::filesystem::create_directories(o.state_dir);
        std::ofstream(o.state_dir + "/file") << "x";
        o.workspace_dir = o.state_dir + "/file/below";
    });
    try_of t;
    controller_.offer_shell(t, "true");
    EXPECT_TRUE(controller_.wait_answer(t).refusal());
}

TEST_F(agent_offer, the_run_timeout_of_the_document_is_enforced_here) {
    connect();
    try_of t;
    controller_.offer(t, {{"command", {"sleep", "100"}}, {"timeouts", {{"run", "100ms"}}}});
    auto state = controller_.wait_final(t).parsed();
    EXPECT_EQ(state["state"], "failed");
    EXPECT_EQ(state["failure"].as_object()["class"], "user_timeout");
}

TEST_F(agent_offer, the_silent_timeout_of_the_document_is_enforced_here) {
    connect();
    try_of t, bad;
    controller_.offer(
        t, {{"command", {"sh", "-c", "echo up; sleep 100"}}, {"timeouts", {{"silent", "200ms"}, {"run", "1h"}}}});
    auto state = controller_.wait_final(t).parsed();
    EXPECT_EQ(state["state"], "failed");
    EXPECT_EQ(state["failure"].as_object()["class"], "user_timeout");
    EXPECT_EQ(state["failure"].as_object()["code"], "silent");
    EXPECT_EQ(state["signal"], 15);
    EXPECT_TRUE(state.contains("usage"));
    EXPECT_EQ(controller_.log_of(t), "up\n");
    controller_.offer(bad, {{"command", {"true"}}, {"timeouts", {{"silent", "soon"}}}});
    EXPECT_NE(controller_.wait_answer(bad).json.find("timeouts.silent"), std::string::npos);
}

TEST_F(agent_offer, cancel_is_answered_by_the_final_state_also_for_what_is_not_here) {
    connect();
    try_of t, unknown;
    controller_.offer_shell(t, "trap '' TERM; echo up; sleep 100; sleep 100");
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == t.token; });
    controller_.send(SIGRUN_CANCEL, &t, {}, 50'000'000);
    auto state = controller_.wait_final(t).parsed();
    EXPECT_EQ(state["state"], "cancelled");
    EXPECT_EQ(state["signal"], 9);
    controller_.send(SIGRUN_CANCEL, &unknown, {}, 1);
    EXPECT_EQ(controller_.wait_final(unknown).parsed()["failure"].as_object()["code"], "not_running");
}

TEST_F(agent_offer, a_cancel_that_follows_the_offer_at_once_is_not_lost) {
    connect();
    for (int i = 0; i < 20; ++i) {
        try_of t;
        controller_.offer_shell(t, "sleep 100");
        controller_.send(SIGRUN_CANCEL, &t, {}, 1);
        EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "cancelled") << i;
        wait_forgotten();
    }
}

TEST_F(agent_offer, beats_tell_free_and_live_places) {
    connect();
    controller_.wait_for([](const seen_frame& f) { return f.kind == SIGRUN_BEAT && f.parsed()["free"] == 2; });
    try_of t;
    controller_.offer_shell(t, "sleep 100");
    controller_.wait_for([](const seen_frame& f) {
        return f.kind == SIGRUN_BEAT && f.parsed()["free"] == 1 && f.parsed()["live"] == 1;
    });
}

TEST_F(agent_offer, an_empty_hello_is_answered_with_fresh_facts) {
    connect();
    controller_.send(SIGRUN_HELLO, nullptr);
    auto f = controller_.wait_for([](const seen_frame& s) { return s.kind == SIGRUN_HELLO; });
    EXPECT_TRUE(f.parsed()["facts"].is_array());
    EXPECT_EQ(f.parsed()["slots"], 2);
}

TEST_F(agent_offer, after_drain_from_the_controller_offers_are_refused) {
    connect();
    controller_.send(SIGRUN_DRAIN, nullptr, R"({"reason":"test"})");
    try_of t;
    controller_.offer_shell(t, "true");
    EXPECT_TRUE(controller_.wait_answer(t).refusal());
}

}  // namespace
}  // namespace sigrun::agent_test
