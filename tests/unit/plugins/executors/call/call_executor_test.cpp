// The executor `call` through its ABI table.
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/executor.h>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <thread>

namespace {

namespace json = boost::json;
using namespace sigrun::sdk;

class call_executor : public testing::Test {
protected:
    mock_host host_;
    sigrun_instance* instance_ = host_.start(host_.create("call"));
    const sigrun_executor* table_ =
        static_cast<const sigrun_executor*>(instance_->get_interface(instance_, str(SIGRUN_KIND_EXECUTOR)));

    mock_host::outcome run(std::string_view document, std::string_view payload) {
        buffer content(host_.get(), payload);
        return run_with(document, content.get());
    }
    mock_host::outcome run_with(std::string_view document, sigrun_buf* payload) {
        sigrun_attempt attempt{sizeof attempt, 1, str("job"), str("token")};
        sigrun_task task{sizeof task, 0, &attempt, str("call"), str(document), str(""), payload, 0};
        sigrun_sink sink{sizeof sink, 0, nullptr, nullptr};
        auto op = host_.mint();
        EXPECT_EQ(table_->run(instance_, &task, &sink, op), SIGRUN_OK);
        EXPECT_TRUE(host_.completed(op)) << "an inline executor completes before it returns";
        return host_.wait(op);
    }
    static json::object failure(const mock_host::outcome& o) { return json::parse(o.text).as_object(); }
};

TEST_F(call_executor, says_that_it_runs_calls_inline) {
    ASSERT_NE(table_, nullptr);
    EXPECT_EQ(view(table_->kinds), "call");
    EXPECT_TRUE(table_->flags & SIGRUN_EXECUTOR_INLINE);
}

TEST_F(call_executor, echo_returns_the_payload) {
    std::string bytes("\0 any bytes \xff", 13);
    auto o = run(R"({"kind":"call","command":["echo"]})", bytes);
    EXPECT_EQ(o.result, SIGRUN_OK);
    EXPECT_EQ(o.text, bytes);
}

TEST_F(call_executor, echo_without_a_payload_returns_nothing) {
    auto o = run_with(R"({"command":["echo"]})", nullptr);
    EXPECT_EQ(o.result, SIGRUN_OK);
    EXPECT_EQ(o.text, "");
}

TEST_F(call_executor, fail_ends_with_the_code_in_the_payload) {
    auto o = run(R"({"command":["fail"]})", "42");
    EXPECT_LT(o.result, 0);
    auto f = failure(o);
    EXPECT_EQ(f["class"], "user");
    EXPECT_EQ(f["exit_code"], 42);
}

TEST_F(call_executor, fail_refuses_a_payload_that_is_no_exit_code) {
    for (auto text : {"", "0", "256", "-1", "1x", "abc", "99999999999999999999"}) {
        auto f = failure(run(R"({"command":["fail"]})", text));
        EXPECT_EQ(f["code"], "payload") << text;
        EXPECT_EQ(f["exit_code"], 2) << text;
    }
}

TEST_F(call_executor, an_unknown_function_fails_with_127_and_the_known_ones) {
    auto o = run(R"({"command":["ech"]})", "x");
    EXPECT_EQ(o.result, SIGRUN_E_NOT_FOUND);
    auto f = failure(o);
    EXPECT_EQ(f["class"], "user");
    EXPECT_EQ(f["exit_code"], 127);
    std::string message(f["message"].as_string());
    EXPECT_NE(message.find("echo"), std::string::npos) << message;
    EXPECT_NE(message.find("\"ech\""), std::string::npos) << message;
}

TEST_F(call_executor, a_wrong_document_fails_and_names_the_field) {
    for (auto document : {"", "{", "[]", "{}", R"({"command":[]})", R"({"command":"echo"})", R"({"command":[1]})",
                          R"({"command":null})", "\xff\xfe"}) {
        auto f = failure(run(document, "x"));
        EXPECT_EQ(f["class"], "user") << document;
        EXPECT_EQ(f["exit_code"], 2) << document;
    }
}

TEST_F(call_executor, a_document_full_of_small_values_needs_no_fixed_room) {
    std::string document = R"({"command":["echo"],"labels":[1)";
    for (int i = 0; i < 5000; ++i) document += ",1";
    auto o = run(document + "]}", "big");
    EXPECT_EQ(o.result, SIGRUN_OK);
    EXPECT_EQ(o.text, "big");
}

TEST_F(call_executor, deep_nesting_is_refused_and_not_followed) {
    auto f = failure(run(std::string(100'000, '['), "x"));
    EXPECT_EQ(f["class"], "user");
}

TEST_F(call_executor, the_remembered_document_is_never_taken_for_another) {
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(run(R"({"command":["echo"]})", "7").text, "7");
        EXPECT_EQ(failure(run(R"({"command":["fail"]})", "7"))["exit_code"], 7);
        EXPECT_EQ(failure(run(R"({"command":["nope"]})", "7"))["exit_code"], 127);
    }
}

TEST_F(call_executor, threads_do_not_share_what_they_remember) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([this, t] {
            bool echo = t % 2 == 0;
            for (int i = 0; i < 500; ++i) {
                auto o = run(echo ? R"({"command":["echo"]})" : R"({"command":["fail"]})", "9");
                EXPECT_EQ(o.result == SIGRUN_OK, echo);
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(host_.double_completions(), 0u);
    EXPECT_EQ(host_.live_buffers(), 0u);
}

}  // namespace
