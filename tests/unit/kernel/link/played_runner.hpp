// The controller's side of links, with a runner that the test plays: it says what the test tells it to say.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/store/journal.hpp"
#include "tests/unit/kernel/link/idle_engine.hpp"

#include <sigrun/balancer.h>
#include <sigrun/cpp/text.hpp>
#include <sigrun/store.h>

#include <gtest/gtest.h>

#include <poll.h>

#include <cstdlib>
#include <filesystem>

struct sigrun_link {
    explicit sigrun_link(sigrun::plugin_host& h) : host(h) {}
    sigrun::plugin_host& host;
    const sigrun_sink* frames = nullptr;
    std::atomic<int> questions{0};  // for the runner's facts and attempts
    std::atomic<bool> closed{false};
    std::mutex mutex;
    std::string asked;  // the last question
};

namespace sigrun::link_test {

using end_ptr = std::shared_ptr<sigrun_link>;

inline sigrun_result take_frame(sigrun_link* link, const sigrun_frame* frame) noexcept {
    const auto text = sdk::view(frame->json);
    if (frame->kind != SIGRUN_HELLO || !(text.empty() || text.find("facts_known") != text.npos)) return SIGRUN_OK;
    std::lock_guard lock(link->mutex);
    link->asked = text;
    ++link->questions;
    return SIGRUN_OK;
}

inline void close_link(sigrun_link* link, sigrun_result, sigrun_op op) noexcept {
    link->closed = true;
    link->host.ops().complete(op, SIGRUN_OK, nullptr);
}

inline const sigrun_link_ops k_ops{
    sizeof(sigrun_link_ops), 0, nullptr, nullptr, nullptr, nullptr, nullptr, &take_frame, nullptr, &close_link};
inline const sigrun_protocol k_table{
    sizeof(sigrun_protocol), 0, sdk::str("valkyrie"), sdk::str("valkyrie"), {nullptr, 0}, nullptr, nullptr, &k_ops};

/// A fleet, and a runner "r" whose links the test holds the other ends of.
class played_runner : public testing::Test {
protected:
    played_runner() {
        char name[] = "/tmp/sigrun-link-XXXXXX";
        if (!mkdtemp(name)) throw std::runtime_error("mkdtemp failed");
        dir_ = name;
        plugin_host_options options;
        options.plugin_dir = SIGRUN_BUILD_DIR "/plugins";
        options.state_dir = dir_;
        options.program = "unit_link";
        options.kinds = {SIGRUN_KIND_STORE, SIGRUN_KIND_BALANCER};
        host_ = std::make_unique<plugin_host>(options, settings::parse("", "test").value(), numbers_);
        host_->load_all().value();
        host_->start_all().value();
        store_ = std::make_unique<journal>(*host_, host_->find(SIGRUN_KIND_STORE, "sqlite"), numbers_);
        store_->open([](record_kind, std::string_view, std::string_view) {}).value();
        events_ = std::make_unique<event_log>(clock::system());
        runners_ = std::make_unique<registry>(*events_, *store_, clock::system(), 10);
        select_ = selector::create({}, host_->instances(SIGRUN_KIND_BALANCER)).value();
        fleet_ = std::make_shared<fleet>(*host_, *runners_, *select_, numbers_, clock::system(), fleet_options{});
        fleet_->set_attempt_handler(&engine_);
        fleet_->start();
        abi_.struct_size = sizeof abi_;
        abi_.get_interface = [](sigrun_instance*, sigrun_str) noexcept -> const void* { return &k_table; };
        abi_.destroy = [](sigrun_instance*) noexcept {};
        protocol_ = std::make_shared<instance>(nullptr, "played", "test.played", "played", SIGRUN_KIND_PROTOCOL, &abi_);
    }
    ~played_runner() override {
        fleet_->stop();
        fleet_.reset();
        protocol_.reset();
        select_.reset();
        runners_.reset();
        store_.reset();
        host_->shutdown();
        std::filesystem::remove_all(dir_);
    }
    /// The WELCOME; `more` are members of HELLO, or others in the place of the usual ones.
    json::object greet(std::uint64_t generation, const json::object& more = {}) {
        json::object hello{{"name", "r"},
                           {"key", std::string(32, 'k')},
                           {"session", "s"},
                           {"generation", generation},
                           {"process", "one"},
                           {"slots", 1},
                           {"moving", generation > 1}};
        for (const auto& [key, value] : more) hello[key] = value;
        return parse_object(fleet_->admit(generation, json::serialize(hello)).value()).value();
    }
    std::string ticket(std::uint64_t generation, const json::object& more = {}) {
        return std::string(text_or(greet(generation, more), "ticket"));
    }
    end_ptr adopt(std::uint64_t generation, const std::string& with) {
        auto made = std::make_shared<sigrun_link>(*host_);
        ends_.push_back(made);
        EXPECT_EQ(fleet_->adopt(protocol_, generation, with, made.get(), &made->frames, nullptr), SIGRUN_OK);
        return made;
    }
    end_ptr connect(std::uint64_t generation) { return adopt(generation, ticket(generation)); }
    static sigrun_result say(const end_ptr& over, const json::object& hello) {
        const auto text = json::serialize(hello);
        sigrun_frame frame{};
        frame.struct_size = sizeof frame;
        frame.kind = SIGRUN_HELLO;
        frame.json = sdk::str(text);
        return over->frames->on_frame(over->frames->ctx, &frame);
    }
    /// The runner's answer if it was asked over this link.
    static void answer(const end_ptr& over) {
        if (over->closed || !over->questions.exchange(0)) return;
        say(over, {{"facts", json::array{}}, {"inventory", json::array{}}});
    }
    bool in_use(const end_ptr& which) {
        const auto chosen = fleet_->choose(fleet_->find("r").value(), 0xffff);
        return chosen.via && chosen.via->sink() == which->frames;
    }
    template <class Done>
    static bool within(std::chrono::milliseconds limit, Done done) {
        const auto until = std::chrono::steady_clock::now() + limit;
        while (!done()) {
            if (std::chrono::steady_clock::now() > until) return false;
            ::poll(nullptr, 0, 2);
        }
        return true;
    }
    /// `left` are closed well before the limit of their own, while the runner answers.
    static void expect_closed(const std::vector<end_ptr>& left, const end_ptr& stays,
                              std::chrono::milliseconds limit = std::chrono::seconds(7)) {
        EXPECT_TRUE(within(limit, [&] {
            answer(stays);
            bool all = true;
            for (const auto& each : left) {
                answer(each);
                all = all && each->closed;
            }
            return all;
        }));
        EXPECT_FALSE(stays->closed);
    }

    std::string dir_;
    metrics numbers_;
    std::unique_ptr<plugin_host> host_;
    std::unique_ptr<journal> store_;
    std::unique_ptr<event_log> events_;
    std::unique_ptr<registry> runners_;
    std::unique_ptr<selector> select_;
    idle_engine engine_;
    std::vector<end_ptr> ends_;
    sigrun_instance abi_{};
    std::shared_ptr<instance> protocol_;
    std::shared_ptr<fleet> fleet_;
};

}  // namespace sigrun::link_test
