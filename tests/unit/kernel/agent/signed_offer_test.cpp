// Offers to a runner that runs signed jobs alone: what is refused touches nothing that is there.
#include "agent_rig.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/job_signature.hpp"

namespace sigrun::agent_test {
namespace {

class signed_offer : public agent_rig {
protected:
    void connect_strict() {
        std::filesystem::create_directory(keys_.path() + "/keys");
        std::ofstream(keys_ / "keys/ci.pub") << pair_.public_pem;
        connect([this](agent_options& o) {
            o.signatures = {job_trust_options::mode::require, keys_ / "keys", std::chrono::hours(24)};
        });
    }
    json::object sign(json::object document, const ed25519_pair& by) const {
        const auto hour = std::int64_t{3'600'000'000'000};
        document["signature"] =
            sign_job(document, "", by.private_pem, clock::system().wall_ns() + hour).value().to_json();
        return document;
    }
    json::object shell(const std::string& script, json::object more = {}) const {
        more["command"] = json::array{"sh", "-c", script};
        return sign(std::move(more), pair_);
    }

    scratch_dir keys_;
    const ed25519_pair pair_ = make_ed25519_pair().value();
};

TEST_F(signed_offer, that_is_refused_leaves_the_older_attempt_alone_and_one_that_is_good_ends_it) {
    connect_strict();
    try_of old;
    controller_.offer(old, shell("echo up; exec sleep 100"));
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == old.token; });
    try_of bad{old.job, 2}, good{old.job, 3};
    controller_.offer(bad, {{"command", {"true"}}});
    EXPECT_EQ(controller_.wait_answer(bad).parsed()["code"], "signature");
    EXPECT_EQ((*runner_)->running(), 1u);
    controller_.offer(good, shell("true"));
    EXPECT_EQ(controller_.wait_final(good).parsed()["state"], "succeeded");
    wait_forgotten();
}

TEST_F(signed_offer, is_refused_for_good_where_nothing_here_could_mend_it) {
    connect_strict();
    try_of changed, unknown;
    auto document = shell("true");
    document["command"] = json::array{"false"};
    controller_.offer(changed, document);
    auto no = controller_.wait_answer(changed).parsed();
    EXPECT_EQ(no["code"], "signature");
    EXPECT_TRUE(bool_or(no, "final", false));
    controller_.offer(unknown, sign({{"command", {"true"}}}, make_ed25519_pair().value()));
    no = controller_.wait_answer(unknown).parsed();
    EXPECT_EQ(no["code"], "signature");
    EXPECT_FALSE(no.contains("final"));
}

TEST_F(signed_offer, that_is_replayed_is_refused_before_it_gets_a_workspace) {
    connect_strict();
    const auto document = shell("true");
    try_of first, again;
    controller_.offer(first, document);
    EXPECT_TRUE(bool_or(controller_.wait_final(first).parsed()["signature"].as_object(), "verified", false));
    controller_.offer(again, document);
    const auto no = controller_.wait_answer(again).parsed();
    EXPECT_NE(std::string(text_or(no, "message")).find("nonce"), std::string::npos);
    EXPECT_TRUE(bool_or(no, "final", false));
    wait_forgotten();
    EXPECT_TRUE(eventually([&] { return runner_->workspaces() == 0; }));
}

TEST_F(signed_offer, that_finds_no_workspace_is_none_of_its_attempts) {
    std::filesystem::create_directory(keys_.path() + "/keys");
    std::ofstream(keys_ / "keys/ci.pub") << pair_.public_pem;
    connect([this](agent_options& o) {
        o.signatures = {job_trust_options::mode::require, keys_ / "keys", std::chrono::hours(24)};
        o.workspace_dir = keys_ / "work/below";
        std::ofstream(keys_ / "work") << "in the way";
    });
    const auto document = shell("true", {{"retry", {{"infrastructure", 0}}}});
    const auto job = id::make().text();
    for (std::uint32_t number = 1; number < 4; ++number) {
        try_of t{job, number};
        controller_.offer(t, document);
        EXPECT_EQ(controller_.wait_answer(t).parsed()["code"], "io") << number;
    }
    std::filesystem::remove(keys_ / "work");
    try_of last{job, 4};
    controller_.offer(last, document);
    EXPECT_EQ(controller_.wait_final(last).parsed()["state"], "succeeded");
}

TEST_F(signed_offer, names_that_look_alike_get_workspaces_of_their_own) {
    connect();
    const std::string slow = "pwd; exec sleep 100", stem(60, 'x');
    for (const auto& [one, two] : {std::pair<std::string, std::string>{"a/b", "a_b"}, {stem + "1", stem + "2"}}) {
        try_of first, second;
        first.job = one;
        second.job = two;
        controller_.offer_shell(first, slow);
        controller_.offer_shell(second, slow);
        for (const auto& t : {first, second})
            controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == t.token; });
        EXPECT_NE(controller_.log_of(first), controller_.log_of(second));
        for (const auto& t : {first, second}) {
            controller_.send(SIGRUN_CANCEL, &t, {}, 1);
            controller_.wait_final(t);
        }
        wait_forgotten();
    }
}

TEST_F(signed_offer, of_a_name_with_control_characters_ends_the_link) {
    connect();
    const auto mark = runner_->dir() / "ran";
    try_of bad;
    bad.job = "a\nb";
    controller_.offer_shell(bad, "echo x > " + mark);
    controller_.wait_lost(1);
    EXPECT_EQ((*runner_)->open_attempts(), 0u);
    EXPECT_FALSE(std::filesystem::exists(mark));
}

}  // namespace
}  // namespace sigrun::agent_test
