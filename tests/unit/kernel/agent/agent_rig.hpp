// An agent with its real plugins, and a fake controller that it is connected to.
#pragma once

#include "fake_controller.hpp"
#include "kernel/agent/agent.hpp"
#include "kernel/agent/reception.hpp"
#include "kernel/capability/detector.hpp"

#include <sigrun/executor.h>

#include <poll.h>

namespace sigrun::agent_test {

/// Waits until `done` holds; false on the deadline.
template <class Done>
bool eventually(Done done, std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
    auto until = std::chrono::steady_clock::now() + deadline;
    while (!done()) {
        if (std::chrono::steady_clock::now() > until) return false;
        ::poll(nullptr, 0, 2);
    }
    return true;
}

/// A whole runner in this process.
class runner_under_test {
public:
    explicit runner_under_test(const std::function<void(agent_options&)>& change = {},
                               const std::string& plugin_dir = SIGRUN_BUILD_DIR "/plugins")
        : host_({plugin_dir,
                 dir_.path(),
                 "sigrun-runner",
                 {SIGRUN_KIND_PROTOCOL, SIGRUN_KIND_EXECUTOR},
                 {"valkyrie", "process", "call"}},
                settings::parse("[instance process]\ncomponent = sigrun.process:process\nkill_grace = 200ms\n"
                                "shim = " SIGRUN_BUILD_DIR "/bin/sigrun-shim\n",
                                "test")
                    .value(),
                numbers_),
          reception_(host_),
          detector_(host_, clock::system()) {
        host_.set_call_handler(&reception_);
        host_.set_link_adopter(&reception_);
        host_.load_all().value();
        host_.start_all().value();
        options_.name = "tested";
        options_.slots = 2;
        options_.labels = {{"zone", "eu"}};
        options_.state_dir = dir_ / "state";
        options_.workspace_dir = dir_ / "work";
        options_.kill_grace = std::chrono::milliseconds(200);
        options_.drain_timeout = std::chrono::seconds(30);
        options_.facts_interval = std::chrono::seconds(30);
        options_.rung_retry = std::chrono::seconds(30);
        if (change) change(options_);
        agent_ = std::make_shared<agent>(host_, detector_, options_,
                                         load_identity(options_.name, options_.state_dir).value());
        agent_->set_swappers();
        agent_->start().value();
    }
    ~runner_under_test() {
        host_.end_reloads();
        reception_.close();
        agent_->stop();
        agent_.reset();
        host_.shutdown();
    }
    agent& operator*() { return *agent_; }
    agent* operator->() { return agent_.get(); }
    void listen() {
        reception_.open_for(agent_);
        door_ = std::make_unique<acceptor>(host_);
    }
    std::string listening_at() const { return door_->address(); }
    void stop_listening() { door_.reset(); }
    std::size_t workspaces() const {
        std::error_code ec;
        std::size_t n = 0;
        for ([[maybe_unused]] const auto& e : std::filesystem::directory_iterator(options_.workspace_dir, ec)) ++n;
        return n;
    }
    const scratch_dir& dir() const { return dir_; }
    plugin_host& host() { return host_; }

private:
    scratch_dir dir_;
    metrics numbers_;
    plugin_host host_;
    reception reception_;
    detector detector_;
    agent_options options_;
    std::shared_ptr<agent> agent_;
    std::unique_ptr<acceptor> door_;
};

class agent_rig : public testing::Test {
protected:
    void connect(const std::function<void(agent_options&)>& change = {},
                 const std::string& plugin_dir = SIGRUN_BUILD_DIR "/plugins") {
        runner_ = std::make_unique<runner_under_test>(
            [&](agent_options& o) {
                o.urls = {controller_.url()};
                if (change) change(o);
            },
            plugin_dir);
        controller_.wait_link();
        // It has read the WELCOME: a link that is dropped before counts as one that never was.
        EXPECT_TRUE(eventually([&] { return (*runner_)->connected(); }));
    }
    /// WELCOME answers every listed attempt with this.
    void answer_inventory_with(std::string verdict, std::uint64_t log_offset = 0) {
        controller_.welcome = [=](const json::object& hello) {
            json::array verdicts;
            for (const auto& v : hello.at("inventory").as_array()) {
                const auto& i = v.as_object();
                verdicts.push_back(json::object{{"job", i.at("job")},
                                                {"attempt", i.at("attempt")},
                                                {"verdict", verdict},
                                                {"log_offset", log_offset}});
            }
            return json::object{{"beat_ms", 100}, {"verdicts", verdicts}};
        };
    }
    void wait_forgotten() {
        EXPECT_TRUE(eventually([&] { return (*runner_)->open_attempts() == 0; })) << (*runner_)->open_attempts();
    }

    fake_controller controller_;
    std::unique_ptr<runner_under_test> runner_;
};

}  // namespace sigrun::agent_test
