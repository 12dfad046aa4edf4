// Executors of a connected agent are replaced by rebuilt ones while jobs run.
#include "agent_rig.hpp"
#include "kernel/agent/own_facts.hpp"
#include "kernel/agent/plugin_sweep.hpp"
#include "unit/kernel/plugin/rebuilt_plugin.hpp"

#include <fstream>
#include <future>

namespace sigrun::agent_test {
namespace {

class agent_plugins : public agent_rig {
protected:
    void SetUp() override {
        for (const char* file : {"protocols/valkyrie.so", "executors/call.so", "executors/process.so"})
            std::filesystem::create_directories(std::filesystem::path(folder_ / file).parent_path()),
                std::filesystem::copy_file(std::filesystem::path(SIGRUN_BUILD_DIR "/plugins") / file, folder_ / file);
        connect({}, folder_.path());
    }
    void install(const std::string& name, const std::string& version) {
        sigrun::testing::install_rebuilt(folder_.path(), "executors/" + name + ".so", "1.0.0", version);
    }
    std::vector<swept_plugin> reload(const std::string& name = "") {
        std::promise<std::vector<swept_plugin>> swept;
        (*runner_)->reload_plugins(name, [&](const auto& all) { swept.set_value(all); });
        auto answer = swept.get_future();
        if (answer.wait_for(std::chrono::seconds(30)) != std::future_status::ready)
            throw std::runtime_error("the reload gave no answer");
        return answer.get();
    }
    plugin_info info(const std::string& id) {
        for (auto& p : runner_->host().plugins())
            if (p.id == id) return p;
        throw std::runtime_error("no plugin " + id);
    }
    bool old_ones_go(const std::string& id) {
        return eventually([&] { return info(id).retiring.empty(); });
    }
    /// A HELLO that tells of this version of this plugin.
    seen_frame wait_version(const std::string& plugin, const std::string& version) {
        const auto record = json::serialize(json::object{{"name", plugin}, {"version", version}});
        return controller_.wait_for(
            [&](const seen_frame& f) { return f.kind == SIGRUN_HELLO && f.json.find(record) != std::string::npos; });
    }
    scratch_dir folder_;
};

TEST_F(agent_plugins, a_running_job_ends_in_the_old_executor_and_new_ones_run_in_the_new) {
    const auto gate = runner_->dir() / "gate";
    try_of before, after;
    controller_.offer_shell(before, "echo first; while [ ! -e " + gate + " ]; do sleep 0.01; done; echo second");
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == before.token; });
    install("process", "1.0.1");
    auto swept = reload("sigrun.process");
    ASSERT_TRUE(swept.at(0).outcome) << swept[0].outcome.error().text();
    EXPECT_EQ(swept[0].outcome->new_version, "1.0.1");
    controller_.offer_shell(after, "echo new");
    EXPECT_EQ(controller_.wait_final(after).parsed()["state"], "succeeded");
    EXPECT_EQ(info("sigrun.process").retiring.size(), 1u) << "the old one still has a job";
    EXPECT_EQ((*runner_)->running(), 1u);
    std::ofstream(gate).flush();
    EXPECT_EQ(controller_.wait_final(before).parsed()["state"], "succeeded");
    EXPECT_EQ(controller_.log_of(before), "first\nsecond\n");
    EXPECT_EQ(controller_.log_of(after), "new\n");
    EXPECT_TRUE(old_ones_go("sigrun.process"));
}

TEST_F(agent_plugins, a_job_of_the_old_executor_can_be_cancelled_after_the_swap) {
    try_of t;
    controller_.offer_shell(t, "echo up; sleep 600");
    controller_.wait_for([&](const seen_frame& f) { return f.kind == SIGRUN_LOG && f.token == t.token; });
    install("process", "1.0.1");
    ASSERT_TRUE(reload("process").at(0).outcome);
    controller_.send(SIGRUN_CANCEL, &t, {}, 1'000'000);
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "cancelled");
    EXPECT_TRUE(old_ones_go("sigrun.process"));
}

TEST_F(agent_plugins, an_ended_job_that_nobody_acknowledges_does_not_keep_the_old_executor) {
    controller_.ack_states = false;
    try_of t, called;
    controller_.offer_shell(t, "true");
    controller_.offer(called, {{"kind", "call"}, {"command", {"echo"}}}, "x");
    controller_.wait_final(t);
    controller_.wait_final(called);
    install("process", "1.0.1");
    install("call", "1.0.1");
    for (const auto& [id, outcome] : reload()) {
        ASSERT_TRUE(outcome) << id << ": " << outcome.error().text();
        EXPECT_EQ(outcome->changed, id == "sigrun.process" || id == "sigrun.call") << id;
    }
    EXPECT_TRUE(old_ones_go("sigrun.process"));
    EXPECT_TRUE(old_ones_go("sigrun.call"));
    EXPECT_EQ((*runner_)->open_attempts(), 2u);
}

TEST_F(agent_plugins, calls_are_answered_once_each_while_their_executor_is_replaced_twenty_times) {
    std::vector<try_of> tries;
    for (int turn = 0; turn < 20; ++turn) {
        install("call", "1.1." + std::to_string(turn % 10));
        std::promise<std::vector<swept_plugin>> swept;
        (*runner_)->reload_plugins("sigrun.call", [&](const auto& all) { swept.set_value(all); });
        auto answer = swept.get_future();
        // Offers arrive before, during and after the swap.
        for (int i = 0; i < 20 || answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready; ++i) {
            tries.emplace_back();
            const char* durability = i % 2 ? "memory" : "relaxed";
            const auto payload = tries.back().token;
            controller_.offer(tries.back(), {{"kind", "call"}, {"command", {"echo"}}, {"durability", durability}},
                              payload);
            EXPECT_EQ(controller_.wait_final(tries.back()).payload, payload);
        }
        const auto all = answer.get();
        ASSERT_TRUE(all.at(0).outcome) << all[0].outcome.error().text();
    }
    wait_forgotten();
    for (const auto& t : tries) {
        std::size_t finals = 0;
        for (const auto& f : controller_.frames(t)) finals += f.final_state();
        EXPECT_EQ(finals, 1u);
    }
    EXPECT_TRUE(old_ones_go("sigrun.call"));
}

TEST_F(agent_plugins, versions_are_facts_and_a_change_is_told_without_being_asked) {
    EXPECT_NE(
        json::serialize(controller_.hellos().at(0).at("facts")).find(R"({"name":"sigrun.process","version":"1.0.0"})"),
        std::string::npos);
    install("process", "1.2.3");
    ASSERT_TRUE(reload().at(0).outcome);
    auto told = wait_version("sigrun.process", "1.2.3").parsed();
    EXPECT_EQ(told["kinds"].as_array().size(), 2u);
    EXPECT_EQ(json::serialize(told["facts"]).find("runner.name"), std::string::npos) << "only what has changed";
    EXPECT_EQ(told["facts_base"], controller_.hellos().at(0).at("facts_revision"));
}

TEST_F(agent_plugins, a_controller_may_ask_for_it_and_is_told_what_happened) {
    install("process", "1.2.3");
    controller_.send(SIGRUN_HELLO, nullptr, R"({"reload":{"request":7}})");
    auto answered = [](const seen_frame& f) {
        return f.kind == SIGRUN_HELLO && f.json.find("\"reloaded\"") != f.json.npos;
    };
    auto answer = controller_.wait_for(answered).parsed();
    auto& said = answer["reloaded"].as_object();
    EXPECT_EQ(said["request"], 7);
    ASSERT_EQ(said["plugins"].as_array().size(), 1u) << "call.so holds what runs";
    auto& one = said["plugins"].as_array()[0].as_object();
    EXPECT_EQ(one["id"], "sigrun.process");
    EXPECT_EQ(one["old"].as_object()["version"], "1.0.0");
    EXPECT_EQ(one["new"].as_object()["version"], "1.2.3");
    (void)wait_version("sigrun.process", "1.2.3");  // with the answer, or just before it
    controller_.forget_frames();
    controller_.send(SIGRUN_HELLO, nullptr, R"({"reload":{"request":8,"plugin":"sigrun.nothing"}})");
    auto refused = controller_.wait_for(answered).parsed();
    EXPECT_EQ(refused["reloaded"].as_object()["request"], 8);
    EXPECT_NE(json::serialize(refused["reloaded"]).find("not_found"), std::string::npos);
}

TEST_F(agent_plugins, a_broken_file_is_refused_and_the_old_one_goes_on) {
    std::ofstream(folder_ / "executors/process.so.new") << "no library";
    std::filesystem::rename(folder_ / "executors/process.so.new", folder_ / "executors/process.so");
    auto swept = reload();
    ASSERT_EQ(swept.size(), 3u) << "process, call and the protocol";
    for (const auto& [id, outcome] : swept) {
        EXPECT_EQ(outcome.has_value(), id != "sigrun.process") << id;
        EXPECT_FALSE(outcome && outcome->changed);
    }
    try_of t;
    controller_.offer_shell(t, "true");
    EXPECT_EQ(controller_.wait_final(t).parsed()["state"], "succeeded");
}

fact made_fact(const std::string& key, fact_status status, const json::value& value = nullptr) {
    fact f;
    f.key = key;
    f.status = status;
    f.value = value;
    return f;
}

TEST(renewed_facts, what_nobody_answers_any_more_goes_and_what_failed_this_time_stays) {
    using enum fact_status;
    const capability_document known({made_fact("cpu.cores", ok, 4), made_fact("disk.size", ok, 1),
                                     made_fact("memory.total_bytes", ok, 2), made_fact("runner.name", ok, "r")});
    const capability_document found({made_fact("cpu.cores", ok, 8), made_fact("memory.*", timeout),
                                     made_fact("network.*", error), made_fact("os.name", ok, "linux")});
    const capability_document now(renewed_facts(known, found));
    EXPECT_EQ(now.find("cpu.cores")->value, 8);
    EXPECT_EQ(now.find("disk.size"), nullptr);
    EXPECT_EQ(now.find("memory.total_bytes")->value, 2);
    EXPECT_EQ(now.find("memory.*"), nullptr);
    EXPECT_EQ(now.find("network.*")->status, error);
    EXPECT_EQ(now.find("os.name")->value, "linux");
    EXPECT_EQ(now.find("runner.name"), nullptr) << "the agent's own facts are made anew";
}

TEST(renewed_facts, why_something_is_not_known_is_what_was_found_last) {
    using enum fact_status;
    auto not_yet = made_fact("gpu.*", timeout), never = made_fact("gpu.*", timeout);
    not_yet.detail = "not known yet";
    never.detail = "the probe did not answer within its hard limit";
    const capability_document now(renewed_facts(capability_document({not_yet}), capability_document({never})));
    ASSERT_EQ(now.facts().size(), 1u);
    EXPECT_EQ(now.find("gpu.*")->detail, never.detail);
}

}  // namespace
}  // namespace sigrun::agent_test
