// The parts of the agent that need no connection.
#include "kernel/agent/agent_identity.hpp"
#include "kernel/agent/agent_options.hpp"
#include "kernel/agent/final_state.hpp"
#include "kernel/agent/log_window.hpp"
#include "kernel/agent/readiness.hpp"
#include "kernel/agent/rungs.hpp"
#include "kernel/base/json.hpp"
#include "scratch_dir.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

namespace sigrun::agent_test {
namespace {

bool put(log_window& w, const std::string& text) {
    return w.add(SIGRUN_STREAM_STDOUT, 1, buffer_ref::copy_of(text).get());
}
std::string take_all(log_window& w) {
    std::string all;
    while (const auto* p = w.next()) {
        all += p->content.view();
        w.sent();
    }
    return all;
}

TEST(log_window, pieces_come_out_in_order_with_their_offsets) {
    log_window w(100);
    EXPECT_TRUE(put(w, "abc"));
    EXPECT_TRUE(put(w, "de"));
    EXPECT_EQ(w.next()->offset, 0u);
    w.sent();
    EXPECT_EQ(w.next()->offset, 3u);
    w.sent();
    EXPECT_EQ(w.next(), nullptr);
    EXPECT_EQ(w.total(), 5u);
}

TEST(log_window, a_full_window_refuses_until_an_ack_makes_room) {
    log_window w(6);
    EXPECT_TRUE(put(w, "abcd"));
    EXPECT_FALSE(put(w, "efg"));
    EXPECT_TRUE(put(w, "ef"));
    EXPECT_FALSE(put(w, "g"));
    take_all(w);
    w.acked(4);
    EXPECT_TRUE(put(w, "g"));
    EXPECT_EQ(take_all(w), "g");
}

TEST(log_window, a_piece_larger_than_the_window_fits_when_it_is_empty) {
    log_window w(2);
    EXPECT_TRUE(put(w, "abcd"));
    EXPECT_FALSE(put(w, "e"));
}

TEST(log_window, resume_sends_again_from_the_offset_on) {
    log_window w(100);
    put(w, "abc");
    put(w, "def");
    put(w, "ghi");
    take_all(w);
    w.resume(4);
    EXPECT_EQ(w.next()->offset, 4u);
    EXPECT_EQ(take_all(w), "efghi");
    w.resume(9);
    EXPECT_EQ(w.next(), nullptr);
    w.resume(0);  // gone for good; nothing invented
    EXPECT_EQ(w.next(), nullptr);
}

TEST(log_window, acks_beyond_the_end_and_backwards_are_harmless) {
    log_window w(100);
    put(w, "abc");
    w.acked(50);
    EXPECT_EQ(w.unacked(), 0u);
    w.acked(1);
    EXPECT_EQ(w.unacked(), 0u);
    put(w, "def");
    EXPECT_EQ(take_all(w), "def");
}

TEST(log_window, an_unsent_piece_is_sent_next) {
    log_window w(100);
    put(w, "abc");
    put(w, "def");
    w.sent();
    w.sent();
    w.unsent();
    EXPECT_EQ(take_all(w), "def");
}

result<buffer_ref> answer(const std::string& text) { return buffer_ref::copy_of(text); }

TEST(final_state, exit_codes_and_signals_become_user_failures) {
    auto ok =
        json::parse(conclude(answer(R"({"exit_code":0,"signal":null,"usage":{"wall_ms":1}})"), false).json).as_object();
    EXPECT_EQ(ok["state"], "succeeded");
    EXPECT_EQ(ok["usage"].as_object()["wall_ms"], 1);
    auto code = json::parse(conclude(answer(R"({"exit_code":4})"), false).json).as_object();
    EXPECT_EQ(code["state"], "failed");
    EXPECT_EQ(code["exit_code"], 4);
    EXPECT_EQ(code["failure"].as_object()["class"], "user");
    auto signal = json::parse(conclude(answer(R"({"exit_code":null,"signal":11})"), false).json).as_object();
    EXPECT_EQ(signal["signal"], 11);
    EXPECT_TRUE(signal["exit_code"].is_null());
    EXPECT_EQ(signal["failure"].as_object()["code"], "signal");
}

TEST(final_state, result_bytes_of_an_inline_executor_travel_as_payload) {
    auto f = conclude(answer("raw"), true);
    EXPECT_EQ(f.json, "");
    EXPECT_EQ(f.payload.view(), "raw");
}

TEST(final_state, a_failure_document_keeps_its_class_code_and_numbers) {
    auto p = problem::from_abi(
        SIGRUN_E_TIMEOUT,
        R"({"class":"user_timeout","code":"run","message":"too long","exit_code":null,"signal":15,"usage":{"a":1}})");
    auto f = json::parse(conclude(p, false).json).as_object();
    EXPECT_EQ(f["state"], "failed");
    EXPECT_EQ(f["signal"], 15);
    EXPECT_EQ(f["failure"].as_object()["class"], "user_timeout");
    EXPECT_EQ(f["failure"].as_object()["message"], "too long");
    EXPECT_EQ(f["usage"].as_object()["a"], 1);
    auto c = problem::from_abi(SIGRUN_E_CANCELLED, R"({"class":"cancelled","code":"cancelled","message":"x"})");
    EXPECT_EQ(json::parse(conclude(c, false).json).as_object()["state"], "cancelled");
}

TEST(final_state, an_executor_that_says_nothing_useful_is_the_runners_failure) {
    for (auto text : {"", "{}", "[]", "garbage", R"({"exit":0})"}) {
        auto f = json::parse(conclude(answer(text), false).json).as_object();
        EXPECT_EQ(f["failure"].as_object()["class"], "infra_runner") << text;
    }
    auto f = json::parse(conclude(problem::from_abi(SIGRUN_E_IO, "broken"), false).json).as_object();
    EXPECT_EQ(f["failure"].as_object()["class"], "infra_runner");
    EXPECT_EQ(f["failure"].as_object()["message"], "broken");
}

TEST(rungs, the_same_place_is_found_in_another_scheme_but_never_less_secure) {
    EXPECT_EQ(same_place("valkyrie://h:1", "http,https"), "http://h:1");
    EXPECT_EQ(same_place("https://h:1", "http,https"), "https://h:1");
    EXPECT_EQ(same_place("https://h:1", "ws,wss"), "wss://h:1");
    EXPECT_EQ(same_place("https://h:1", "valkyrie,valkyrie+unix"), "");
    EXPECT_EQ(same_place("valkyrie+unix:///run/x", "http,https"), "");
    EXPECT_EQ(same_place("http+unix:///run/x", "valkyrie,valkyrie+unix"), "valkyrie+unix:///run/x");
    EXPECT_EQ(same_place("no scheme", "http"), "");
}

TEST(agent_identity, a_key_is_made_once_and_kept_private) {
    scratch_dir dir;
    auto first = load_identity("n", dir / "state").value();
    auto second = load_identity("n", dir / "state").value();
    EXPECT_EQ(first.key, second.key);
    EXPECT_EQ(first.key.size(), 64u);
    EXPECT_NE(load_identity("n", dir / "other").value().key, first.key);
    struct stat about {};
    ASSERT_EQ(::stat((dir / "state/key").c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST(agent_identity, a_key_that_others_can_read_or_that_is_cut_is_refused) {
    scratch_dir dir;
    load_identity("n", dir.path()).value();
    ::chmod((dir / "key").c_str(), 0644);
    EXPECT_FALSE(load_identity("n", dir.path()));
    ::chmod((dir / "key").c_str(), 0600);
    std::ofstream(dir / "key") << "short\n";
    auto r = load_identity("n", dir.path());
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().text().find("5 characters"), std::string::npos) << r.error().text();
}

TEST(agent_identity, two_agents_cannot_share_a_state_directory) {
    scratch_dir dir;
    auto first = state_lock::take(dir.path());
    ASSERT_TRUE(first);
    auto second = state_lock::take(dir.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, errc::conflict);
}

TEST(readiness, a_workspace_is_fresh_private_and_removed_with_its_content) {
    scratch_dir dir;
    auto path = prepare_workspace(dir / "w", "job-1", 0).value();
    std::ofstream(path + "/file") << "x";
    struct stat about {};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0700u);
    EXPECT_EQ(prepare_workspace(dir / "w", "job-1", 0).value(), path);
    EXPECT_FALSE(std::filesystem::exists(path + "/file")) << "what an earlier attempt left is gone";
    remove_workspace(path);
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(readiness, leftovers_are_removed_and_nothing_else) {
    scratch_dir dir;
    prepare_workspace(dir / "w", "a-1", 0).value();
    prepare_workspace(dir / "w", "b-1", 0).value();
    std::ofstream(dir / "w/precious") << "x";
    EXPECT_EQ(remove_leftover_workspaces(dir / "w"), 2u);
    EXPECT_TRUE(std::filesystem::exists(dir / "w/precious"));
    EXPECT_EQ(remove_leftover_workspaces(dir / "missing"), 0u);
}

result<agent_options> options_from(const std::string& ini) {
    auto config = settings::parse(ini, "runner.ini").value();
    auto bound = bound_section::bind(config.find("runner"), agent_option_table());
    if (!bound) return bound.error();
    return read_agent_options(**bound);
}

TEST(agent_options, defaults_need_no_file) {
    auto o = options_from("").value();
    EXPECT_FALSE(o.name.empty());
    EXPECT_EQ(o.urls, std::vector<std::string>{"valkyrie://127.0.0.1:7070"});
    EXPECT_EQ(o.slots, 0u);
    EXPECT_EQ(o.needs.min_free_disk, std::uint64_t{64} << 20);
    EXPECT_EQ(o.workspace_dir, o.state_dir + "/workspaces");
}

TEST(agent_options, every_key_arrives) {
    auto o =
        options_from(
            "[runner]\nname = n1\nurl = http://a:1, valkyrie://b:2\nlisten = 127.0.0.1:0\nprotocols = http\nslots = 7\n"
            "labels = a=1, b=x=y\nstate_dir = /s\nworkspace_dir = /w\nmin_free_disk = 1GiB\nmin_free_inodes = 9\n"
            "min_free_memory = 2MiB\nmax_load = 1.5\nmax_clock_skew = 4s\ndrain_timeout = 2m\n"
            "kill_grace = 3s\nfacts_interval = 1m\nrung_retry = 9s\n"
            "plugin_watch = no\nplugin_probation = 7s\n")
            .value();
    EXPECT_EQ(o.name, "n1");
    EXPECT_EQ(o.urls, (std::vector<std::string>{"http://a:1", "valkyrie://b:2"}));
    EXPECT_EQ(o.listen, std::vector<std::string>{"127.0.0.1:0"});
    EXPECT_EQ(o.protocols, std::vector<std::string>{"http"});
    EXPECT_EQ(o.slots, 7u);
    EXPECT_EQ(o.labels, (label_map{{"a", "1"}, {"b", "x=y"}}));
    EXPECT_EQ(o.state_dir, "/s");
    EXPECT_EQ(o.workspace_dir, "/w");
    EXPECT_EQ(o.needs.min_free_disk, std::uint64_t{1} << 30);
    EXPECT_EQ(o.needs.min_free_inodes, 9u);
    EXPECT_EQ(o.needs.min_free_memory, 2u << 20);
    EXPECT_EQ(o.needs.max_load, 1.5);
    EXPECT_EQ(o.max_clock_skew, std::chrono::seconds(4));
    EXPECT_EQ(o.drain_timeout, std::chrono::minutes(2));
    EXPECT_EQ(o.kill_grace, std::chrono::seconds(3));
    EXPECT_EQ(o.facts_interval, std::chrono::minutes(1));
    EXPECT_EQ(o.rung_retry, std::chrono::seconds(9));
    EXPECT_FALSE(o.plugin_watch);
    EXPECT_EQ(o.plugin_probation, std::chrono::seconds(7));
}

TEST(agent_options, listening_alone_dials_nobody) {
    EXPECT_TRUE(options_from("[runner]\nlisten = 127.0.0.1:0\n").value().urls.empty());
}

TEST(agent_options, wrong_values_are_refused_by_name) {
    for (auto [line, field] : {std::pair{"name = a b", "name"},
                               {"labels = novalue", "labels"},
                               {"labels = a=1,a=2", "labels"},
                               {"slots = many", "slots"},
                               {"slot = 1", "slot"},
                               {"min_free_disk = -1", "min_free_disk"},
                               {"log_level = loud", "log_level"}}) {
        auto r = options_from(std::string("[runner]\n") + line + "\n");
        ASSERT_FALSE(r) << line;
        EXPECT_NE(r.error().text().find(field), std::string::npos) << r.error().text();
    }
}

TEST(agent_options, the_example_file_is_valid_and_shows_the_defaults) {
    auto config = settings::load({SIGRUN_SOURCE_DIR "/etc/runner.ini", "", {}, false});
    ASSERT_TRUE(config) << config.error().text();
    auto bound = bound_section::bind(config->find("runner"), agent_option_table());
    ASSERT_TRUE(bound) << bound.error().text();
    auto shown = read_agent_options(**bound).value();
    auto plain = options_from("").value();
    EXPECT_EQ(shown.urls, plain.urls);
    EXPECT_EQ(shown.needs.min_free_disk, plain.needs.min_free_disk);
    EXPECT_EQ(shown.needs.max_load, plain.needs.max_load);
    EXPECT_EQ(shown.needs.min_free_memory, plain.needs.min_free_memory);
    EXPECT_EQ(shown.max_clock_skew, plain.max_clock_skew);
    EXPECT_EQ(shown.drain_timeout, plain.drain_timeout);
    EXPECT_EQ(shown.kill_grace, plain.kill_grace);
    EXPECT_EQ(shown.facts_interval, plain.facts_interval);
    EXPECT_EQ(shown.rung_retry, plain.rung_retry);
    EXPECT_EQ(shown.plugin_watch, plain.plugin_watch);
    EXPECT_EQ(shown.plugin_probation, plain.plugin_probation);
}

}  // namespace
}  // namespace sigrun::agent_test
