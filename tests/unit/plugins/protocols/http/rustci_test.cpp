// Legacy runners: what is sent to them, and what becomes of every answer they can give.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/wait.h>

#include <boost/json.hpp>
#include <random>

#include "raw_socket.hpp"
#include "rustci/job_document.hpp"
#include "rustci/options.hpp"
#include "rustci/request.hpp"
#include "rustci/retry_after.hpp"
#include "rustci/script.hpp"
#include "sigrun/cpp/mock_host.hpp"
#include "sigrun/protocol.h"

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;

/// legacy_runner.py as a child process; it ends when its stdin is closed.
class legacy_runner {
   public:
    explicit legacy_runner(const char* mode) {
        int in[2];
        int out[2];
        if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) throw std::runtime_error("pipe");
        const std::string script = SIGRUN_SOURCE_DIR "/tests/unit/plugins/protocols/http/legacy_runner.py";
        pid_ = fork();
        if (pid_ == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            execlp("python3", "python3", script.c_str(), mode, nullptr);
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        stdin_ = in[1];
        std::string line;
        for (char c; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
        close(out[0]);
        port_ = static_cast<std::uint16_t>(std::stoi(line));
    }
    ~legacy_runner() {
        close(stdin_);
        waitpid(pid_, nullptr, 0);
    }
    std::string url() const { return sdk::concat("http://127.0.0.1:", port_); }
    json::value seen() const {
        auto s = raw_socket::tcp(port_);
        s.send("GET /seen HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        return json::parse(s.read_response().body);
    }
    /// Requests with this verb, in the order they came.
    std::vector<json::value> requests(std::string_view verb) const {
        std::vector<json::value> out;
        for (const auto& r : seen().at("requests").as_array())
            if (r.at("verb").as_string() == verb) out.push_back(r);
        return out;
    }

   private:
    pid_t pid_ = -1;
    int stdin_ = -1;
    std::uint16_t port_ = 0;
};

constexpr const char* k_fast = R"("poll_first":"5ms","poll_max":"20ms","retry_delay":"5ms")";

/// A link to a stand-in runner.
struct linked {
    explicit linked(const char* mode, const std::string& options = "{}") : runner(mode) {
        instance = host.start(host.create("http"));
        table = static_cast<const sigrun_protocol*>(
            instance->get_interface(instance, sdk::str(SIGRUN_KIND_PROTOCOL)));
        auto all = options == "{}" ? sdk::concat("{", k_fast, "}")
                                   : sdk::concat("{", k_fast, ",", options.substr(1));
        const auto uri = runner.url();
        const sigrun_endpoint where{sizeof where, 0, sdk::str(uri), sdk::str("rustci"), sdk::str(all), 0};
        const auto op = host.mint();
        EXPECT_EQ(table->dial->open(instance, &where, sink.abi(), op, &link), SIGRUN_PENDING);
        EXPECT_EQ(host.wait(op).result, SIGRUN_OK);
    }
    ~linked() {
        const auto op = host.mint();
        table->link->close(link, SIGRUN_OK, op);
        host.wait(op);
        host.destroy(instance);
        EXPECT_EQ(host.live_threads(), 0u);
        EXPECT_EQ(host.live_buffers(), 0u);
        EXPECT_EQ(host.open_ops(), 0u);
        EXPECT_FALSE(sink.overlapped());
    }
    sigrun_result offer(std::string_view document = R"({"command":["true"]})", std::string_view job = "job-1") {
        const sigrun_attempt attempt{sizeof attempt, 1, sdk::str(job), sdk::str("tok")};
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_OFFER;
        f.attempt = &attempt;
        f.json = sdk::str(document);
        return table->link->execute(link, &f);
    }
    /// The final STATE of a job that was offered.
    json::value final_state(std::string_view job = "job-1") {
        return json::parse(sink.wait_for(
                                   [&](const sdk::recorded_frame& f) {
                                       return f.kind == SIGRUN_STATE && (f.flags & SIGRUN_FRAME_LAST) && f.job == job;
                                   },
                                   std::chrono::seconds(30))
                               .json);
    }
    json::value run(std::string_view document = R"({"command":["true"]})") {
        EXPECT_EQ(offer(document), SIGRUN_OK);
        return final_state();
    }
    json::value refusal() {
        EXPECT_EQ(offer(), SIGRUN_OK);
        return json::parse(sink.wait_for([](const auto& f) { return f.kind == SIGRUN_ACK; }).json);
    }
    std::string output() {
        std::string out;
        for (const auto& f : sink.frames())
            if (f.kind == SIGRUN_LOG) {
                EXPECT_EQ(f.offset, out.size());
                EXPECT_EQ(f.stream, std::uint32_t{SIGRUN_STREAM_STDOUT});
                EXPECT_LE(f.payload.size(), SIGRUN_LOG_MAX);
                out += f.payload;
            }
        return out;
    }

    legacy_runner runner;
    sdk::mock_host host;
    sdk::recording_sink sink;
    sigrun_instance* instance = nullptr;
    const sigrun_protocol* table = nullptr;
    sigrun_link* link = nullptr;
};

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

TEST(http_rustci, the_request_says_what_the_contract_says) {
    rustci::options settings;
    std::string why;
    const auto job = rustci::read_job(
        R"({"command":["make","check"],"env":{"CI":"1"},"workdir":"/w","priority":"high","labels":{"job_type":"Test","a":"b"},
            "timeouts":{"run":"1m500ms"}})",
        why);
    ASSERT_TRUE(job) << why;
    const auto id = rustci::job_uuid("j", 2);
    const auto body = json::parse(rustci::submit_body(*job, {"j", 2, "tok"}, id, settings));
    EXPECT_EQ(body.at("job_id"), json::string_view(id));
    EXPECT_EQ(body.at("job_type"), "Test");
    EXPECT_EQ(body.at("priority"), 1);
    EXPECT_TRUE(body.at("timeout").is_null());
    EXPECT_EQ(body.at("requirements"),
              json::parse(R"({"cpu_cores":null,"memory_mb":null,"storage_gb":null,"gpu_count":null,
                              "max_execution_time":61,"required_capabilities":[]})"));
    EXPECT_EQ(body.at("metadata"),
              json::parse(R"({"job_type":"Test","a":"b","sigrun.job":"j","sigrun.attempt":"2","sigrun.token":"tok",
                              "sigrun.payload":"application/vnd.sigrun.command+json"})"));
    EXPECT_EQ(body.at("steps"),
              json::parse(R"([{"name":"make","command":"make","args":["check"],"working_directory":"/w",
                "environment":{"CI":"1"},"timeout":{"secs":61,"nanos":0},"continue_on_error":false}])"));
    std::string payload;
    for (const auto& b : body.at("payload").at("Small").as_array()) payload += static_cast<char>(b.to_number<int>());
    const auto inner = json::parse(payload);
    EXPECT_EQ(inner.at("sigrun"), 1);
    EXPECT_EQ(inner.at("command"), json::parse(R"(["make","check"])"));
    EXPECT_EQ(inner.at("workdir"), "/w");
    settings.send_steps = false;
    settings.payload = rustci::payload_form::empty;
    const auto strict = json::parse(rustci::submit_body(*job, {"j", 2, "tok"}, id, settings));
    EXPECT_FALSE(strict.as_object().contains("steps"));
    EXPECT_TRUE(strict.at("payload").at("Small").as_array().empty());
}

TEST(http_rustci, ids_are_stable_per_attempt_and_are_uuids_of_version_5) {
    const auto id = rustci::job_uuid("j", 1);
    EXPECT_EQ(id, rustci::job_uuid("j", 1));
    EXPECT_NE(id, rustci::job_uuid("j", 2));
    EXPECT_EQ(id.size(), 36u);
    EXPECT_EQ(id[14], '5');
}

TEST(http_rustci, the_script_of_the_contract_s_example) {
    std::string why;
    EXPECT_EQ(rustci::script_of(*rustci::read_job(R"({"command":["make","check"]})", why)),
              "( 'make' 'check' ) || exit $?\n");
    EXPECT_EQ(rustci::script_of(*rustci::read_job(
                  R"({"steps":[["a"],{"name":"n","command":["b=c","'"]}],"env":{"K":"v w"},"workdir":"d"})", why)),
              "( cd -- './d' && env 'K=v w' 'a' ) || exit $?\n"
              "( cd -- './d' && env 'K=v w' sh -c 'exec \"$@\"' sh 'b=c' ''\\''' ) || exit $?\n");
    for (auto bad : {R"({"kind":"call","payload":"x"})", R"({})", R"({"command":[]})", R"({"command":["a\u0000"]})",
                     R"({"command":"a"})", R"({"command":["a"],"env":{"":"x"}})", R"({"command":["a"],"env":{"a=":"x"}})",
                     R"({"command":["a"],"workdir":"\u0000"})", R"({"steps":[[]]})", "[]", ""})
        EXPECT_FALSE(rustci::read_job(bad, why)) << bad;
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
    std::vector<std::string> words{ascii, "", " ", "'", "''\"", "$HOME `id` $(id) \\ ! * ?", "a\nb\n", "-n", "\xc3\xa4",
                                   "\\'\\''", "{a,b}", "~", "#", ";&|<>()"};
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
    const auto document = json::serialize(json::object{{"command", command}, {"env", {{"V", "v'\n$w"}}}, {"workdir", "/"}});
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
    linked l("endless-head", R"({"submit_retries":1})");
    // The head of the answer to the status request never ends; the job itself was accepted.
    EXPECT_EQ(l.offer(), SIGRUN_OK);
    l.sink.wait_for([](const auto& f) { return f.kind == SIGRUN_ACK; });
    linked silent("post-silent", R"({"submit_retries":1,"max_reply":"1KiB"})");
    EXPECT_EQ(silent.run().at("state"), "succeeded");
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
            const auto& headers = l.runner.requests(verb).at(0).at("headers").as_object();
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

TEST(http_rustci, options_are_checked_and_named) {
    const std::pair<const char*, const char*> bad[] = {{R"({"pol_first":"1s"})", "pol_first"},
                                                       {R"({"poll_first":"soon"})", "poll_first"},
                                                       {R"({"payload":"xml"})", "payload"},
                                                       {R"({"cancel":true})", "cancel"},
                                                       {R"({"submit_retries":-1})", "submit_retries"},
                                                       {R"({"max_reply":"1PiB"})", "max_reply"},
                                                       {R"({"auth":"basic"})", "username"},
                                                       {R"({"auth":"header","header_name":"a b"})", "header_name"},
                                                       {R"({"token":"a\r\nb","auth":"bearer"})", "token"},
                                                       {R"([1])", "options"}};
    for (const auto& [options, names] : bad) {
        try {
            rustci::read_options(options);
            FAIL() << options;
        } catch (const sdk::failure& f) {
            EXPECT_EQ(f.code(), SIGRUN_E_CONFIG);
            EXPECT_NE(std::string(f.what()).find(names), std::string::npos) << f.what();
        }
    }
    const auto good = rustci::read_options(R"({"submit_retries":"5","max_reply":"2MiB","send_steps":"off"})");
    EXPECT_EQ(good.submit_retries, 5);
    EXPECT_EQ(good.max_reply, std::size_t{2} << 20);
    EXPECT_FALSE(good.send_steps);
}

TEST(http_retry_after, reads_seconds_and_dates_and_nothing_else) {
    using rustci::read_retry_after;
    EXPECT_EQ(read_retry_after("7", 0), std::chrono::seconds(7));
    EXPECT_EQ(read_retry_after("999999", 0), std::chrono::seconds(600));
    EXPECT_EQ(read_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111770), std::chrono::seconds(7));
    EXPECT_EQ(read_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784111790), std::chrono::seconds(0));
    for (auto bad : {"", "soon", "-1", "7s", "Sun, 06 Xyz 1994 08:49:37 GMT"})
        EXPECT_FALSE(read_retry_after(bad, 0)) << bad;
}

}  // namespace
}  // namespace sigrun::http::testing
