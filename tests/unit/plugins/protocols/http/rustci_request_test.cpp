// What is sent to legacy runners, and the settings that decide it.
#include "rustci/job_document.hpp"
#include "rustci/options.hpp"
#include "rustci/request.hpp"
#include "rustci/retry_after.hpp"
#include "rustci/script.hpp"
#include "sigrun/cpp/error.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sigrun::http {
namespace {
namespace json = boost::json;

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

TEST(http_rustci, the_size_is_estimated_from_below_and_comes_close_for_large_environments) {
    std::string why;
    const std::string large(100000, 'v');
    for (const auto& text : std::vector<std::string>{
             R"({"command":["a"]})",
             R"({"command":["\n\t\u0001","é"],"env":{"K":"\n"},"workdir":"d","labels":{"a":"b"}})",
             R"({"steps":[["a"],["b","c"],["d"]],"labels":{"sigrun.job":"x"},"env":{"K":")" + large + "\"}}"}) {
        const auto job = rustci::read_job(text, why);
        ASSERT_TRUE(job) << why;
        for (const auto form :
             {rustci::payload_form::json, rustci::payload_form::script, rustci::payload_form::empty}) {
            for (const bool steps : {true, false}) {
                rustci::options settings;
                settings.payload = form;
                settings.send_steps = steps;
                const auto least = rustci::least_size(*job, settings);
                const auto body = rustci::submit_body(*job, {"j", 1, "t"}, rustci::job_uuid("j", 1), settings);
                EXPECT_EQ(json::parse(body).at("metadata").at("sigrun.job"), "j");
                EXPECT_LE(least, body.size());
                EXPECT_TRUE(text.size() < large.size() || least * 3 + 1000 >= body.size());
            }
        }
    }
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
    for (auto bad :
         {R"({"kind":"call","payload":"x"})", R"({})", R"({"command":[]})", R"({"command":["a\u0000"]})",
          R"({"command":"a"})", R"({"command":["a"],"env":{"":"x"}})", R"({"command":["a"],"env":{"a=":"x"}})",
          R"({"command":["a"],"workdir":"\u0000"})", R"({"steps":[[]]})", "[]", ""})
        EXPECT_FALSE(rustci::read_job(bad, why)) << bad;
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
}  // namespace sigrun::http
