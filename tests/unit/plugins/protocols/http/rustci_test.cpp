// Legacy runners: what becomes of every answer they can give.
#include "linked_legacy_runner.hpp"
#include "rustci/request.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <random>

namespace sigrun::http::testing {
namespace {

std::string_view text(const json::value& v) { return v.as_string(); }

TEST(http_rustci, a_job_is_acknowledged_runs_once_and_ends_with_output_and_usage) {
    linked l("normal");
    const auto state = l.run();
    EXPECT_EQ(state.at("state"), "succeeded");
    EXPECT_EQ(state.at("exit_code"), 0);
    EXPECT_TRUE(state.at("failure").is_null());
    EXPECT_EQ(state.at("usage").at("memory_peak_bytes"), 3);
    EXPECT_EQ(l.output(), "done\n");
    const auto frames = l.sink.frames();
    ASSERT_EQ(frames.size(), 4u);
    EXPECT_EQ(frames[0].kind, std::uint32_t{SIGRUN_ACK});
    EXPECT_EQ(frames[0].stream, std::uint32_t{SIGRUN_OFFER});
    EXPECT_EQ(frames[0].flags, 0u);
    EXPECT_EQ(frames[0].token, "tok");
    EXPECT_EQ(frames[1].json, R"({"state":"running"})");
    EXPECT_EQ(frames[3].offset, 5u) << "the length of the log";
}

TEST(http_rustci, a_runner_that_answers_when_the_job_is_done_is_asked_for_the_result_at_once) {
    linked l("at-once", R"({"poll_first":"1h","poll_max":"1h"})");
    EXPECT_EQ(l.run().at("state"), "succeeded");
    EXPECT_EQ(l.output(), "done\n");
}

/// A command that shows each of its arguments, one per line, as hexadecimal digits.
constexpr const char* k_show =
    "import sys,os;print('\\n'.join(os.fsencode(a).hex() for a in sys.argv[1:]+[os.environ.get('V','')]))";

std::string hex(std::string_view bytes) {
    std::string out;
    for (unsigned char c : bytes) {
        out += "0123456789abcdef"[c >> 4];
        out += "0123456789abcdef"[c & 15];
    }
    return out;
}

TEST(http_rustci, every_payload_form_carries_the_command_with_every_byte_of_its_words) {
    std::string ascii;
    for (char c = 1; c < 127; ++c) ascii += c;
    std::vector<std::string> words{ascii,    "",       " ",        "'",       "''\"",  "$HOME `id` $(id) \\ ! * ?",
                                   "a\nb\n", "-n",     "\xc3\xa4", "\\'\\''", "{a,b}", "~",
                                   "#",      ";&|<>()"};
    std::minstd_rand random(42);
    for (int i = 0; i < 40; ++i) {
        std::string w;
        for (auto n = random() % 12; n > 0; --n) w += static_cast<char>(1 + random() % 126);
        words.push_back(w);
    }
    json::array command{"python3", "-c", k_show};
    std::string expected;
    for (const auto& w : words) {
        command.emplace_back(w);
        expected += hex(w) + "\n";
    }
    expected += hex("v'\n$w") + "\n";
    const auto document =
        json::serialize(json::object{{"command", command}, {"env", {{"V", "v'\n$w"}}}, {"workdir", "/"}});
    const std::pair<const char*, const char*> forms[] = {{"exec-script", R"({"payload":"script","send_steps":false})"},
                                                         {"exec-json", R"({"payload":"json","send_steps":false})"},
                                                         {"exec-steps", R"({"payload":"empty"})"}};
    for (const auto& [mode, options] : forms) {
        linked l(mode, options);
        const auto state = l.run(document);
        EXPECT_EQ(state.at("state"), "succeeded") << mode << json::serialize(state);
        EXPECT_EQ(l.output(), expected) << mode;
    }
}

TEST(http_rustci, a_script_stops_at_the_first_step_that_fails_with_its_exit_code) {
    linked l("exec-script", R"({"payload":"script"})");
    const auto state = l.run(R"({"steps":[["echo","one"],["sh","-c","exit 7"],["echo","two"]]})");
    EXPECT_EQ(state.at("exit_code"), 7);
    EXPECT_EQ(l.output(), "one\n");
}

TEST(http_rustci, status_words_become_states) {
    struct row {
        const char* mode;
        const char* state;
        json::value exit_code;
        const char* cls;
        const char* code;
    };
    const row rows[] = {{"exit3", "failed", 3, "user", "exit_code"},
                        {"failed-result", "failed", 9, "user", "exit_code"},
                        {"failed-plain", "failed", nullptr, "user", "failed"},
                        {"cancelled-by-runner", "cancelled", nullptr, "cancelled", "cancelled_by_runner"},
                        {"forgets", "failed", nullptr, "infra_runner", "runner_forgot"},
                        {"bad-word", "failed", nullptr, "infra_runner", "contract"},
                        {"fraction", "failed", nullptr, "infra_runner", "contract"},
                        {"big-exit-code", "failed", nullptr, "infra_runner", "contract"},
                        {"no-result", "failed", nullptr, "infra_runner", "contract"},
                        {"no-usage", "failed", nullptr, "infra_runner", "contract"},
                        {"not-json", "failed", nullptr, "infra_runner", "contract"},
                        {"redirect-away", "failed", nullptr, "infra_runner", "contract"}};
    for (const auto& r : rows) {
        linked l(r.mode);
        const auto state = l.run();
        EXPECT_EQ(state.at("state"), json::string_view(r.state)) << r.mode;
        EXPECT_EQ(state.at("exit_code"), r.exit_code) << r.mode;
        EXPECT_EQ(state.at("failure").at("class"), json::string_view(r.cls)) << r.mode;
        EXPECT_EQ(state.at("failure").at("code"), json::string_view(r.code)) << r.mode;
    }
}

TEST(http_rustci, a_job_that_failed_without_having_started_is_the_runner_s_fault_where_runners_tell) {
    linked l("never-ran");
    l.run();
    EXPECT_EQ(l.offer(R"({"command":["true"]})", "job-2"), SIGRUN_OK);
    EXPECT_EQ(l.final_state("job-2").at("failure").at("code"), "never_ran");
}

TEST(http_rustci, odd_but_legal_replies_are_understood) {
    for (auto mode : {"chunked", "until-close", "redirect", "backwards", "bad-then-good", "conflict", "artifacts"}) {
        linked l(mode);
        const auto state = l.run();
        EXPECT_EQ(state.at("state"), "succeeded") << mode << json::serialize(state);
        std::size_t running = 0;
        for (const auto& f : l.sink.frames()) running += f.json == R"({"state":"running"})";
        EXPECT_LE(running, 1u) << mode;
        if (mode == std::string("artifacts")) {
            EXPECT_EQ(state.at("artifacts"), json::parse(R"(["a/b","c\"d"])"));
        }
    }
}

TEST(http_rustci, hostile_bodies_are_bounded_and_flagged) {
    {
        linked l("bad-utf8");
        const auto state = l.run();
        EXPECT_EQ(state.at("output_replaced_bytes"), 2);
        EXPECT_EQ(l.output(), "d\xef\xbf\xbd\xef\xbf\xbdne\n");
    }
    {
        linked l("too-large", R"({"max_reply":"64KiB"})");
        EXPECT_EQ(l.run().at("failure").at("code"), "reply_too_large");
    }
    {
        linked l("long-output");
        l.run();
        EXPECT_EQ(l.output().size(), 16u * 16384);
    }
}

TEST(http_rustci, submits_that_are_refused_name_the_reason_and_are_not_repeated) {
    const std::pair<const char*, const char*> rows[] = {
        {"status-400", "contract"},    {"status-413", "contract"},    {"status-422", "contract"},
        {"status-401", "credentials"}, {"status-403", "credentials"}, {"status-404", "contract"},
        {"status-405", "contract"},    {"redirect-post", "contract"}, {"other-id", "contract"}};
    for (const auto& [mode, code] : rows) {
        linked l(mode);
        const auto refusal = l.refusal();
        EXPECT_EQ(refusal.at("code"), json::string_view(code)) << mode;
        if (mode == std::string("status-422")) {
            EXPECT_EQ(refusal.at("message"), "HTTP status 422: because \xef\xbf\xbd");
        }
        EXPECT_EQ(l.runner.requests("POST").size(), 1u) << mode;
        EXPECT_NE(l.sink.frames()[0].flags & SIGRUN_FRAME_ERROR, 0u);
    }
}

TEST(http_rustci, an_overloaded_runner_is_asked_again_and_in_the_end_refused) {
    linked l("overload");
    EXPECT_EQ(l.run().at("state"), "succeeded");
    EXPECT_EQ(l.runner.requests("POST").size(), 3u);
    linked never("status-503", R"({"submit_retries":2})");
    EXPECT_EQ(never.refusal().at("code"), "unavailable");
    EXPECT_EQ(never.runner.requests("POST").size(), 3u);
}

TEST(http_rustci, a_submit_whose_answer_was_lost_is_never_repeated_blindly) {
    for (auto mode : {"post-silent", "post-not-json", "post-no-id"}) {
        linked l(mode);
        EXPECT_EQ(l.run().at("state"), "succeeded") << mode;
        EXPECT_EQ(l.runner.requests("POST").size(), 1u) << mode << ": the runner knew the job";
    }
    linked l("post-lost");
    EXPECT_EQ(l.run().at("state"), "succeeded");
    const auto posts = l.runner.requests("POST");
    ASSERT_EQ(posts.size(), 2u);
    EXPECT_EQ(posts[0].at("body"), posts[1].at("body")) << "the same id";
}

TEST(http_rustci, nobody_knowing_whether_a_job_was_taken_is_said_as_such) {
    linked l("vanishes", R"({"submit_retries":2})");
    const auto state = l.run();
    EXPECT_EQ(state.at("failure").at("code"), "submit_unknown");
    EXPECT_EQ(state.at("runner_state"), "unknown");
    EXPECT_EQ(l.runner.requests("POST").size(), 1u);
    EXPECT_EQ(l.sink.frames().size(), 1u) << "an offer of unknown fate is neither accepted nor refused";
}

TEST(http_rustci, endless_headers_are_cut_off_and_asked_for_again) {
    linked l("endless-head");
    EXPECT_EQ(l.offer(), SIGRUN_OK);
    l.sink.wait_for([](const auto& f) { return f.kind == SIGRUN_ACK; });
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (l.runner.requests("GET").size() < 2) ASSERT_LT(std::chrono::steady_clock::now(), until);
    EXPECT_EQ(l.sink.frames().size(), 1u) << "no state was made up";
}

TEST(http_rustci, a_runner_that_answers_for_others_three_times_gets_no_more_offers) {
    linked l("other-id");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(l.offer(R"({"command":["x"]})", "job-" + std::to_string(i)), SIGRUN_OK);
    l.sink.wait_count(3);
    while (l.offer() != SIGRUN_E_DENIED) std::this_thread::yield();
    const auto ping = l.host.mint();
    EXPECT_EQ(l.table->link->ping(l.link, ping), SIGRUN_PENDING);
    EXPECT_EQ(l.host.wait(ping).result, SIGRUN_E_DENIED);
    linked status("other-status-id");
    EXPECT_EQ(status.run().at("failure").at("code"), "contract");
}

TEST(http_rustci, cancel_does_what_its_option_says) {
    const sigrun_attempt attempt{sizeof attempt, 1, sdk::str("job-1"), sdk::str("tok")};
    linked none("waits");
    EXPECT_EQ(none.table->link->cancel(none.link, &attempt, 0), SIGRUN_E_UNSUPPORTED);
    for (auto form : {"delete", "post"}) {
        linked l("waits", sdk::concat(R"({"cancel":")", form, "\"}"));
        EXPECT_EQ(l.offer(), SIGRUN_OK);
        l.sink.wait_for([](const auto& f) { return f.json == R"({"state":"running"})"; });
        EXPECT_EQ(l.table->link->cancel(l.link, &attempt, 0), SIGRUN_OK);
        const auto state = l.final_state();
        EXPECT_EQ(state.at("state"), "cancelled");
        EXPECT_EQ(state.at("failure").at("code"), "cancelled");
        const auto id = rustci::job_uuid("job-1", 1);
        if (form == std::string("delete")) {
            EXPECT_EQ(text(l.runner.requests("DELETE").at(0).at("path")), "/jobs/" + id);
        } else {
            EXPECT_FALSE(l.runner.requests("POST").empty());
        }
    }
}

TEST(http_rustci, attach_finds_a_job_again_and_gives_only_the_rest_of_its_log) {
    linked l("normal");
    const sigrun_attempt unknown{sizeof unknown, 7, sdk::str("nobody"), sdk::str("tok")};
    auto op = l.host.mint();
    EXPECT_EQ(l.table->link->attach(l.link, &unknown, 0, op), SIGRUN_PENDING);
    EXPECT_EQ(l.host.wait(op).result, SIGRUN_E_NOT_FOUND);
    l.run();
    const sigrun_attempt known{sizeof known, 1, sdk::str("job-1"), sdk::str("tok")};
    op = l.host.mint();
    const auto before = l.sink.frames().size();
    EXPECT_EQ(l.table->link->attach(l.link, &known, 3, op), SIGRUN_PENDING);
    EXPECT_EQ(l.host.wait(op).result, SIGRUN_OK);
    const auto frames = l.sink.wait_count(before + 2);
    EXPECT_EQ(frames[before].payload, "e\n");
    EXPECT_EQ(frames[before].offset, 3u);
    EXPECT_EQ(frames[before + 1].offset, 5u);
}

TEST(http_rustci, credentials_go_with_jobs_only) {
    const std::pair<const char*, const char*> rows[] = {
        {R"({"auth":"bearer","token":"s3"})", "Bearer s3"},
        {R"({"auth":"basic","username":"u","password":"p"})", "Basic dTpw"},
        {R"({"auth":"header","header_name":"X-Key","header_value":"k","user_agent":"me/1"})", "k"}};
    for (const auto& [options, expected] : rows) {
        linked l("normal", options);
        l.run();
        for (auto verb : {"HEAD", "POST", "GET"}) {
            const auto first = l.runner.requests(verb).at(0);
            const auto& headers = first.at("headers").as_object();
            const auto* value = headers.if_contains("Authorization");
            if (!value) value = headers.if_contains("X-Key");
            if (verb == std::string("HEAD")) {
                EXPECT_FALSE(value) << options;
            } else {
                ASSERT_TRUE(value) << options << verb;
                EXPECT_EQ(*value, json::string_view(expected));
            }
        }
    }
}

TEST(http_rustci, many_jobs_share_four_connections) {
    linked l("waits", R"({"cancel":"delete"})");
    for (int i = 0; i < 60; ++i) EXPECT_EQ(l.offer(R"({"command":["x"]})", "job-" + std::to_string(i)), SIGRUN_OK);
    for (int i = 0; i < 60; ++i) {
        const auto name = "job-" + std::to_string(i);
        l.sink.wait_for([&](const auto& f) { return f.job == name && f.kind == SIGRUN_STATE; });
    }
    EXPECT_LE(l.runner.seen().at("connections").to_number<int>(), 4 + 1) << "one is the test's own";
}

TEST(http_rustci, what_does_not_fit_the_contract_is_refused_before_it_is_sent) {
    linked l("normal", R"({"max_request":"2KiB"})");
    EXPECT_EQ(l.offer(R"({"kind":"call"})"), SIGRUN_OK);
    EXPECT_EQ(json::parse(l.sink.wait_count(1)[0].json).at("code"), "unsupported");
    EXPECT_EQ(l.offer(sdk::concat(R"({"command":[")", std::string(4096, 'x'), "\"]}"), "big"), SIGRUN_OK);
    EXPECT_EQ(json::parse(l.sink.wait_count(2)[1].json).at("code"), "too_large");
    EXPECT_TRUE(l.runner.requests("POST").empty());
    const auto op = l.host.mint();
    l.table->link->describe(l.link, op);
    EXPECT_EQ(l.host.wait(op).text, R"({"facts":[]})");
    sigrun_frame beat{};
    beat.struct_size = sizeof beat;
    beat.kind = SIGRUN_BEAT;
    EXPECT_EQ(l.table->link->send(l.link, &beat), SIGRUN_E_UNSUPPORTED);
}

/// The most memory this process ever had.
std::size_t peak_kib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::size_t>(usage.ru_maxrss);
}

TEST(http_rustci, a_job_that_would_become_far_too_large_is_refused_before_it_is_built) {
    linked l("normal");
    std::string steps = R"(["a"])";
    for (int i = 1; i < 48; ++i) steps += R"(,["a"])";
    const auto document = sdk::concat("{\"steps\":[", steps, "],\"env\":{\"K\":\"", std::string(900000, 'v'), "\"}}");
    const auto before = peak_kib();
    EXPECT_EQ(l.offer(document), SIGRUN_OK);
    const auto ack = json::parse(l.sink.wait_count(1)[0].json);
    EXPECT_EQ(ack.at("code"), "too_large");
    EXPECT_NE(ack.at("message").as_string().find("at least"), std::string::npos);
    EXPECT_LT(peak_kib() - before, 64u * 1024) << "48 times the environment is 43 MB, as numbers 170 MB";
    EXPECT_TRUE(l.runner.requests("POST").empty());
}

TEST(http_rustci, a_kernel_that_is_busy_gets_the_output_later) {
    linked l("long-output");
    l.sink.set_result(SIGRUN_E_BUSY);
    EXPECT_EQ(l.offer(), SIGRUN_OK);
    while (l.sink.refused() < 4) std::this_thread::yield();  // the ACK again and again
    l.sink.set_result(SIGRUN_OK);
    EXPECT_EQ(l.final_state().at("state"), "succeeded");
    EXPECT_EQ(l.output().size(), 16u * 16384);
}

TEST(http_rustci, a_runner_that_stops_answering_is_lost_and_its_jobs_say_so) {
    linked l("dies");
    EXPECT_EQ(l.offer(), SIGRUN_OK);
    const auto state = l.final_state();
    EXPECT_EQ(state.at("failure").at("code"), "runner_lost");
    EXPECT_EQ(state.at("runner_state"), "unknown");
    l.sink.wait_for([](const auto& f) { return f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST); });
    EXPECT_EQ(l.offer(), SIGRUN_E_IO);
}

}  // namespace
}  // namespace sigrun::http::testing
