// Links come and go; attempts do not notice.
#include "agent_rig.hpp"

#include <map>

namespace sigrun::agent_test {
namespace {

class agent_session : public agent_rig {
protected:
    // A job that writes `first`, waits for the file, writes `second`.
    void offer_two_parts(const try_of& t, const std::string& gate) {
        controller_.offer_shell(t, "echo first; while [ ! -e " + gate + " ]; do sleep 0.01; done; echo second");
        controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == t.token; });
    }
    // A job that waits for `gate` is the only attempt of the next HELLO, and goes on to its end.
    void expect_listed_alone_and_goes_on(const try_of& t, const std::string& gate) {
        answer_inventory_with("keep", 6);
        controller_.drop();
        controller_.wait_link(2);
        const auto hello = controller_.hellos().back();
        const auto& listed = hello.at("inventory").as_array();
        ASSERT_EQ(listed.size(), 1u);
        EXPECT_EQ(listed[0].at("token").as_string(), t.token);
        EXPECT_EQ(listed[0].at("state"), "running");
        std::ofstream(gate) << "go";
        EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    }
    // Offers are looked at once the promise is kept, and refused then.
    std::promise<void> connect_without_workspace() {
        std::string in_the_way;
        connect([&](agent_options& o) {
            in_the_way = o.state_dir + ".work";
            std::ofstream(in_the_way) << "no folder";
            o.workspace_dir = in_the_way + "/below";
        });
        std::promise<void> go;
        const auto gate = go.get_future().share();
        for (int i = 0; i < 16; ++i) runner_->host().post_work([gate] { gate.wait(); });
        return go;
    }
};

TEST_F(agent_session, the_log_window_is_1_mib_and_what_follows_is_intact) {
    connect();
    controller_.ack_logs = false;
    try_of t;
    controller_.offer_shell(t,
                            "i=0; while [ $i -lt 10 ]; do head -c 1048576 /dev/zero | tr '\\0' $i; i=$((i+1)); done");
    auto received = [&] {
        std::uint64_t n = 0;
        for (const auto& f : controller_.frames(t)) n += f.kind == SIGRUN_LOG ? f.payload.size() : 0;
        return n;
    };
    EXPECT_TRUE(eventually([&] { return received() >= 960 * 1024; }));
    // Nothing acknowledged, nothing more: a few beats later the window has not grown.
    controller_.forget_frames();
    for (int i = 0; i < 3; ++i) {
        controller_.wait_for([](const seen_frame& f) { return f.kind == SIGRUN_BEAT; });
        EXPECT_LE(received(), 64u * 1024);
        controller_.forget_frames();
    }
    EXPECT_EQ((*runner_)->running(), 1u);
    answer_inventory_with("keep", 0);
    controller_.ack_logs = true;
    controller_.drop();
    auto end = controller_.wait_final(t);
    EXPECT_EQ(end.offset, 10u << 20);
    auto log = controller_.log_of(t);
    ASSERT_EQ(log.size(), 10u << 20);
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(log.compare(static_cast<std::size_t>(i) << 20, 1 << 20,
                                std::string(1 << 20, static_cast<char>('0' + i))) == 0);
}

TEST_F(agent_session, a_job_goes_on_without_a_link_and_is_kept_on_reconnect) {
    connect();
    auto gate = runner_->dir() / "gate";
    try_of t;
    offer_two_parts(t, gate);
    answer_inventory_with("keep", 6);
    controller_.drop();
    controller_.wait_link(2);
    auto hello = controller_.hellos().back();
    EXPECT_EQ(hello["generation"], 2);
    EXPECT_EQ(hello["session"], controller_.hellos().front()["session"]);
    auto item = hello["inventory"].as_array().at(0).as_object();
    EXPECT_EQ(std::string(item["job"].as_string()), t.job);
    EXPECT_EQ(std::string(item["token"].as_string()), t.token);
    EXPECT_EQ(item["state"], "running");
    EXPECT_EQ(item["log_bytes"], 6);
    std::ofstream(gate) << "go";
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    EXPECT_EQ(controller_.log_of(t), "first\nsecond\n");
    wait_forgotten();
}

TEST_F(agent_session, keep_with_an_offset_inside_a_piece_sends_the_rest_of_it) {
    connect();
    controller_.ack_logs = false;
    auto gate = runner_->dir() / "gate";
    try_of t;
    offer_two_parts(t, gate);
    controller_.forget_frames();
    answer_inventory_with("keep", 2);
    controller_.drop();
    controller_.wait_link(2);
    auto f = controller_.wait_for([&](const seen_frame& s) { return s.kind == SIGRUN_LOG && s.token == t.token; });
    EXPECT_EQ(f.offset, 2u);
    EXPECT_EQ(f.payload, "rst\n");
    std::ofstream(gate) << "go";
    controller_.wait_final(t);
}

TEST_F(agent_session, what_ended_while_the_link_was_down_is_reported_afterwards) {
    connect();
    auto gate = runner_->dir() / "gate";
    try_of t;
    offer_two_parts(t, gate);
    controller_.shut_door();
    controller_.drop();
    std::ofstream(gate) << "go";
    EXPECT_TRUE(eventually([&] { return (*runner_)->running() == 0; }));
    EXPECT_EQ((*runner_)->open_attempts(), 1u);
    answer_inventory_with("report", 6);
    controller_.open_door();
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    EXPECT_EQ(controller_.hellos().back()["inventory"].as_array().at(0).as_object()["state"], "finished");
    EXPECT_EQ(controller_.log_of(t), "first\nsecond\n");
    wait_forgotten();
}

TEST_F(agent_session, what_was_refused_while_the_link_was_down_is_listed_so_and_told_afterwards) {
    auto go = connect_without_workspace();
    try_of t;
    controller_.offer_shell(t, "true");
    EXPECT_TRUE(eventually([&] { return (*runner_)->open_attempts() == 1; }));
    controller_.shut_door();
    controller_.drop();
    EXPECT_TRUE(eventually([&] { return !(*runner_)->connected(); }));
    go.set_value();
    EXPECT_TRUE(eventually([&] { return (*runner_)->running() == 0; }));
    answer_inventory_with("report");
    controller_.open_door();
    EXPECT_EQ(controller_.wait_answer(t).parsed()["code"], "io");
    const auto listed = controller_.hellos().back()["inventory"].as_array().at(0).as_object();
    EXPECT_EQ(listed.at("state"), "refused");
    EXPECT_FALSE(listed.at("begun").as_bool());
    wait_forgotten();
}

TEST_F(agent_session, what_is_refused_between_hello_and_welcome_is_told_although_it_was_listed_as_running) {
    auto go = connect_without_workspace();
    try_of t;
    controller_.offer_shell(t, "true");
    EXPECT_TRUE(eventually([&] { return (*runner_)->open_attempts() == 1; }));
    controller_.welcome = [&](const json::object& hello) {
        go.set_value();
        EXPECT_TRUE(eventually([&] { return (*runner_)->open_attempts() == 0; }));
        const auto& i = hello.at("inventory").as_array().at(0).as_object();
        EXPECT_EQ(i.at("state"), "running");
        return json::object{
            {"beat_ms", 100},
            {"verdicts",
             json::array{json::object{{"job", i.at("job")}, {"attempt", i.at("attempt")}, {"verdict", "keep"}}}}};
    };
    controller_.drop();
    EXPECT_EQ(controller_.wait_answer(t).parsed()["code"], "io");
}

// Nobody acknowledges a refusal: it may have gone down with the link.
TEST_F(agent_session, a_refusal_whose_link_was_lost_is_listed_and_told_again_if_asked_for) {
    connect([](agent_options& o) { o.slots = 1; });
    auto gate = runner_->dir() / "gate";
    try_of runs, one, other;
    offer_two_parts(runs, gate);
    const auto refused = [&](const try_of& t) { return controller_.wait_answer(t).parsed()["code"]; };
    controller_.offer_shell(one, "true");
    controller_.offer_shell(other, "true");
    EXPECT_EQ(refused(one), "busy");
    EXPECT_EQ(refused(other), "busy");
    controller_.forget_frames();
    controller_.welcome = [&](const json::object& hello) {
        json::array verdicts;
        for (const auto& v : hello.at("inventory").as_array()) {
            const auto& i = v.as_object();
            const bool forget = i.at("token").as_string() == other.token;
            verdicts.push_back(json::object{{"job", i.at("job")},
                                            {"attempt", i.at("attempt")},
                                            {"verdict", forget ? "forget" : "report"},
                                            {"log_offset", 6}});
        }
        return json::object{{"beat_ms", 100}, {"verdicts", verdicts}};
    };
    controller_.drop();
    controller_.wait_link(2);
    EXPECT_EQ(refused(one), "busy");
    std::map<std::string, std::string> listed;
    const auto second = controller_.hellos().back();
    for (const auto& v : second.at("inventory").as_array()) {
        const auto& i = v.as_object();
        listed.emplace(i.at("token").as_string(), i.at("state").as_string());
    }
    EXPECT_EQ(listed, (std::map<std::string, std::string>{
                          {runs.token, "running"}, {one.token, "refused"}, {other.token, "refused"}}));
    // What runs has been heard of on this link after the verdicts, so they are all read.
    std::ofstream(gate) << "go";
    controller_.wait_final(runs);
    EXPECT_TRUE(controller_.frames(other).empty());
    wait_forgotten();
    controller_.drop();
    controller_.wait_link(3);
    const auto third = controller_.hellos().back();
    for (const auto& v : third.at("inventory").as_array()) EXPECT_EQ(v.at("token").as_string(), one.token);
}

TEST_F(agent_session, what_was_refused_once_and_is_accepted_later_is_not_listed_as_refused) {
    connect([](agent_options& o) { o.slots = 1; });
    auto gate = runner_->dir() / "gate", second_gate = runner_->dir() / "second";
    try_of runs, late;
    offer_two_parts(runs, gate);
    controller_.offer_shell(late, "true");
    EXPECT_EQ(controller_.wait_answer(late).parsed()["code"], "busy");
    std::ofstream(gate) << "go";
    controller_.wait_final(runs);
    wait_forgotten();
    controller_.forget_frames();
    offer_two_parts(late, second_gate);
    expect_listed_alone_and_goes_on(late, second_gate);
}

// A verdict names an attempt by its job and number.
TEST_F(agent_session, a_stale_offer_of_what_runs_is_refused_and_not_listed_beside_it) {
    connect();
    auto gate = runner_->dir() / "gate";
    try_of runs;
    offer_two_parts(runs, gate);
    try_of stale{runs.job};
    controller_.offer_shell(stale, "true");
    EXPECT_EQ(controller_.wait_answer(stale).parsed()["code"], "conflict");
    expect_listed_alone_and_goes_on(runs, gate);
}

TEST_F(agent_session, kill_ends_the_attempt_and_says_only_that_it_has) {
    connect();
    auto gate = runner_->dir() / "gate";
    try_of t;
    offer_two_parts(t, gate);
    controller_.forget_frames();
    answer_inventory_with("kill");
    controller_.drop();
    controller_.wait_link(2);
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "cancelled");
    wait_forgotten();
    EXPECT_EQ((*runner_)->running(), 0u);
    for (const auto& f : controller_.frames(t)) EXPECT_TRUE(f.final_state()) << f.kind;
    EXPECT_TRUE(eventually([&] { return runner_->workspaces() == 0; }));
}

TEST_F(agent_session, forget_drops_a_finished_attempt) {
    connect();
    controller_.ack_states = false;
    try_of t;
    controller_.offer_shell(t, "true");
    controller_.wait_final(t);
    controller_.forget_frames();
    answer_inventory_with("forget");
    controller_.drop();
    controller_.wait_link(2);
    wait_forgotten();
    EXPECT_TRUE(controller_.frames(t).empty());
}

TEST_F(agent_session, an_attempt_the_controller_does_not_mention_stays) {
    connect();
    auto gate = runner_->dir() / "gate";
    try_of t;
    offer_two_parts(t, gate);
    controller_.drop();
    controller_.wait_link(2);
    EXPECT_EQ((*runner_)->running(), 1u);
    controller_.offer_shell(t, "the same offer again");
    std::ofstream(gate) << "go";
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
}

TEST_F(agent_session, many_losses_lose_no_byte_and_no_job) {
    connect();
    answer_inventory_with("keep", 0);  // everything not acknowledged comes again each time
    try_of t;
    controller_.offer_shell(t, "i=0; while [ $i -lt 300 ]; do echo line$i; i=$((i+1)); sleep 0.005; done");
    for (std::size_t n = 2; n < 5; ++n) {
        controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == t.token; });
        controller_.drop();
        controller_.wait_link(n);
    }
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    std::string wanted;
    for (int i = 0; i < 300; ++i) wanted += "line" + std::to_string(i) + "\n";
    EXPECT_EQ(controller_.log_of(t), wanted);
}

TEST_F(agent_session, its_facts_are_told_once_and_then_only_where_they_are_not_known) {
    connect();
    const auto first = controller_.hellos().at(0);
    const auto known = [&](std::uint64_t revision) {
        return json::object{{"process", first.at("process")}, {"revision", revision}};
    };
    EXPECT_FALSE(first.at("facts").as_array().empty());
    controller_.welcome = [&](const json::object& hello) {
        return json::object{{"beat_ms", 100},
                            {"facts_known", known(hello.at("facts_revision").to_number<std::uint64_t>())}};
    };
    const auto told = [](const seen_frame& f) { return f.kind == SIGRUN_HELLO; };
    controller_.forget_frames();
    controller_.drop();
    controller_.wait_link(2);
    EXPECT_FALSE(controller_.hellos().at(1).contains("facts"));
    EXPECT_EQ(controller_.hellos().at(1).at("inventory_hash"), first.at("inventory_hash"));
    controller_.wait_for([](const seen_frame& f) { return f.kind == SIGRUN_BEAT; });
    EXPECT_THROW(controller_.wait_for(told, std::chrono::milliseconds(0)), std::runtime_error) << "it is known";
    // A controller that knows nothing, and one that has never heard of this.
    for (std::size_t n = 3; n < 5; ++n) {
        controller_.welcome = [&](const json::object&) {
            return n == 3 ? json::object{{"beat_ms", 100}, {"facts_known", known(0)}} : json::object{{"beat_ms", 100}};
        };
        controller_.forget_frames();
        controller_.drop();
        controller_.wait_link(n);
        auto all = controller_.wait_for(told).parsed();
        EXPECT_FALSE(all.contains("facts_base"));
        EXPECT_EQ(all["facts"], first.at("facts"));
        EXPECT_EQ(all["process"], first.at("process"));
    }
}

TEST_F(agent_session, a_question_says_what_is_known_and_gets_what_is_not) {
    connect();
    const auto hello = controller_.hellos().at(0);
    const auto ask = [&](const json::value& process, const json::value& revision) {
        controller_.forget_frames();
        controller_.send(
            SIGRUN_HELLO, nullptr,
            json::serialize(json::object{{"facts_known", json::object{{"process", process}, {"revision", revision}}}}));
        return controller_.wait_for([](const seen_frame& f) { return f.kind == SIGRUN_HELLO; }).parsed();
    };
    auto answer = ask(hello.at("process"), hello.at("facts_revision"));
    EXPECT_TRUE(answer["facts"].as_array().empty());
    EXPECT_EQ(answer["facts_base"], hello.at("facts_revision"));
    EXPECT_TRUE(answer.contains("inventory"));
    answer = ask("another run", hello.at("facts_revision"));
    EXPECT_EQ(answer["facts"], hello.at("facts"));
    EXPECT_FALSE(answer.contains("facts_base"));
    answer = ask(hello.at("process"), 99);
    EXPECT_EQ(answer["facts"], hello.at("facts"));
}

TEST_F(agent_session, a_controller_that_comes_late_is_found) {
    controller_.shut_door();
    runner_ = std::make_unique<runner_under_test>([&](agent_options& o) { o.urls = {controller_.url()}; });
    controller_.open_door();
    EXPECT_TRUE(controller_.wait_link()->alive());
}

TEST_F(agent_session, drain_waits_for_what_runs_and_refuses_the_rest) {
    connect();
    auto gate = runner_->dir() / "gate";
    try_of t, late;
    offer_two_parts(t, gate);
    std::atomic<bool> done{false};
    (*runner_)->drain(std::chrono::minutes(1), "test", [&] { done = true; });
    controller_.wait_for([](const seen_frame& f) { return f.kind == SIGRUN_DRAIN; });
    controller_.offer_shell(late, "true");
    EXPECT_TRUE(controller_.wait_answer(late).refusal());
    EXPECT_FALSE(done);
    std::ofstream(gate) << "go";
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    EXPECT_TRUE(eventually([&] { return done.load(); }));
}

TEST_F(agent_session, drain_with_nothing_to_do_is_over_at_once) {
    connect();
    std::atomic<bool> done{false};
    (*runner_)->drain(std::chrono::minutes(1), "test", [&] { done = true; });
    EXPECT_TRUE(eventually([&] { return done.load(); }));
}

TEST_F(agent_session, at_the_drain_deadline_jobs_are_handed_back_as_preempted) {
    connect();
    try_of t;
    controller_.offer_shell(t, "trap '' TERM; echo up; sleep 100; sleep 100");
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == t.token; });
    std::atomic<bool> done{false};
    (*runner_)->drain(std::chrono::milliseconds(50), "test", [&] { done = true; });
    auto state = controller_.wait_final(t).parsed();
    EXPECT_EQ(state["state"], "failed");
    EXPECT_EQ(state["failure"].as_object()["class"], "preempted");
    EXPECT_TRUE(eventually([&] { return done.load(); }));
}

TEST_F(agent_session, abort_ends_a_long_drain) {
    connect();
    try_of t;
    controller_.offer_shell(t, "trap '' TERM; echo up; sleep 100; sleep 100");
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == t.token; });
    std::atomic<bool> done{false};
    (*runner_)->drain(std::chrono::hours(1), "test", [&] { done = true; });
    (*runner_)->abort();
    EXPECT_EQ(controller_.wait_final(t).parsed()["failure"].as_object()["class"], "preempted");
    EXPECT_TRUE(eventually([&] { return done.load(); }));
}

TEST_F(agent_session, two_urls_are_two_links_that_share_the_places) {
    fake_controller other;
    runner_ = std::make_unique<runner_under_test>([&](agent_options& o) { o.urls = {controller_.url(), other.url()}; });
    controller_.wait_link();
    other.wait_link();
    EXPECT_NE(controller_.hellos().at(0)["session"], other.hellos().at(0)["session"]);
    try_of a, b, c;
    controller_.offer_shell(a, "sleep 100");
    other.offer_shell(b, "sleep 100");
    EXPECT_FALSE(controller_.wait_answer(a).refusal());
    EXPECT_FALSE(other.wait_answer(b).refusal());
    other.offer_shell(c, "true");
    EXPECT_TRUE(other.wait_answer(c).refusal());
    other.send(SIGRUN_CANCEL, &b, {}, 1);
    EXPECT_EQ(other.wait_final(b).parsed()["state"], "cancelled")
        << "frames go back over the link that brought the offer";
}

TEST_F(agent_session, a_listening_runner_is_opened_by_its_controller) {
    runner_ = std::make_unique<runner_under_test>();
    runner_->listen();
    auto hello = controller_.dial_runner("valkyrie://" + runner_->listening_at(), "c1");
    EXPECT_EQ(hello["name"], "tested");
    EXPECT_FALSE(hello["ticket"].as_string().empty());
    EXPECT_EQ(hello["slots"], 2);
    controller_.send(SIGRUN_HELLO, nullptr, R"({"verdicts":[],"beat_ms":100})");
    controller_.wait_for([](const seen_frame& f) { return f.kind == SIGRUN_BEAT; });
    try_of t;
    controller_.offer_shell(t, "echo hi");
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    EXPECT_EQ(controller_.log_of(t), "hi\n");
    runner_->stop_listening();
}

TEST_F(agent_session, a_listening_runner_reconciles_over_a_new_link) {
    runner_ = std::make_unique<runner_under_test>();
    runner_->listen();
    auto at = "valkyrie://" + runner_->listening_at();
    controller_.dial_runner(at, "c1");
    auto gate = runner_->dir() / "gate";
    try_of t;
    offer_two_parts(t, gate);
    controller_.drop();
    auto hello = controller_.dial_runner(at, "c1");
    EXPECT_EQ(std::string(hello["inventory"].as_array().at(0).as_object()["token"].as_string()), t.token);
    controller_.send(SIGRUN_HELLO, nullptr,
                     json::serialize(json::object{
                         {"beat_ms", 100},
                         {"verdicts", json::array{json::object{
                                          {"job", t.job}, {"attempt", 1}, {"verdict", "keep"}, {"log_offset", 6}}}}}));
    std::ofstream(gate) << "go";
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
    EXPECT_EQ(controller_.log_of(t), "first\nsecond\n");
    runner_->stop_listening();
}

TEST_F(agent_session, a_second_controller_cannot_take_a_runner_that_has_one) {
    runner_ = std::make_unique<runner_under_test>();
    runner_->listen();
    auto at = "valkyrie://" + runner_->listening_at();
    controller_.dial_runner(at, "c1");
    fake_controller other;
    EXPECT_THROW(other.dial_runner(at, "c2"), problem_error);
    runner_->stop_listening();
}

}  // namespace
}  // namespace sigrun::agent_test
