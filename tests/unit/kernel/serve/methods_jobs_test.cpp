// What a call leaves behind when it is over: nothing that holds its job, however often it is made.
#include "kernel/serve/methods.hpp"

#include <sigrun/cpp/text.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

namespace {

using namespace sigrun;

struct daemon_parts {
    metrics numbers;
    manual_clock time;
    std::string dir = testing::TempDir() + "methods_jobs_" + std::to_string(getpid());
    plugin_host plugins{{.plugin_dir = SIGRUN_BUILD_DIR "/plugins/balancers",
                         .state_dir = dir,
                         .program = "test",
                         .kinds = {},
                         .only = {}},
                        settings::parse("", "none.ini").value(),
                        numbers};
    event_log events{time};
    journal store{plugins, nullptr, numbers};
    registry runners{events, store, time, 10};
    timer_wheel timers{time};
    std::unique_ptr<detector> local = std::make_unique<detector>(plugins, time);
    log_store logs{dir + "/logs", 1 << 20};
    std::unique_ptr<selector> select;
    std::shared_ptr<fleet> links;
    std::unique_ptr<job_engine> jobs;
    std::unique_ptr<controller> control;
    router methods{numbers};
    std::vector<std::string> answers;
    sigrun_sink sink{sizeof(sigrun_sink), 0, this, [](void* ctx, const sigrun_frame* f) -> sigrun_result {
                         static_cast<daemon_parts*>(ctx)->answers.emplace_back(sdk::view(f->json));
                         return SIGRUN_OK;
                     }};

    daemon_parts() {
        plugins.load_all().value();
        select = std::move(selector::create({}, plugins.instances(SIGRUN_KIND_BALANCER)).value());
        links = std::make_shared<fleet>(plugins, runners, *select, numbers, time, fleet_options{});
        jobs =
            std::make_unique<job_engine>(*links, *select, store, events, numbers, logs, timers, time, engine_options{});
        control = std::make_unique<controller>(controller{
            plugins, numbers, events, runners, *links, *select, *jobs, store, *local, timers, time, "test", {}, 0});
        add_job_methods(methods, *control);
        jobs->start();
    }
    ~daemon_parts() {
        jobs->stop();
        methods.stop();
        links->stop();
        jobs->release();
        local.reset();
        select.reset();
        plugins.shutdown();
        std::filesystem::remove_all(dir);
    }
    std::uint64_t begin(std::string_view method, std::string_view params, std::string_view document = {}) {
        sigrun_call call{};
        call.struct_size = sizeof call;
        call.method = sdk::str(method);
        call.params = sdk::str(params);
        call.json = sdk::str(document);
        std::uint64_t id = 0;
        methods.begin(1, call, sink, &id, nullptr);
        return id;
    }
    void end(std::uint64_t id) { methods.end(id, nullptr, nullptr); }
};

constexpr std::string_view k_document = R"({"command":["true"],"durability":"memory"})";

TEST(job_methods, waits_that_ended_before_their_job_hold_nothing) {
    daemon_parts d;
    d.begin("jobs.submit", R"({"idempotency_key":"k"})", k_document);
    auto all = d.jobs->all();
    ASSERT_EQ(all.size(), 1u) << d.answers.at(0);
    auto j = all.front();
    all.clear();
    d.answers.clear();
    const auto before = j.use_count();
    for (int i = 0; i < 100; ++i) {
        auto id = d.begin("jobs.submit", R"({"idempotency_key":"k","wait":"30s"})", k_document);
        ASSERT_NE(id, 0u);
        EXPECT_GT(j.use_count(), before);
        if (i % 2) {
            d.end(id);  // the caller left
        } else {
            d.time.advance(std::chrono::seconds(31));
            d.timers.advance();  // its wait is over
            d.timers.advance();
            ASSERT_EQ(d.answers.size(), static_cast<std::size_t>(i / 2 + 1));
        }
        ASSERT_EQ(j.use_count(), before) << i;
    }
    auto id = d.begin("jobs.submit", R"({"idempotency_key":"k","wait":"30s"})", k_document);
    d.jobs->cancel(j, {});  // one that still waits is answered by the end
    EXPECT_EQ(d.answers.size(), 51u);
    EXPECT_NE(d.answers.back().find("cancelled"), std::string::npos) << d.answers.back();
    d.end(id);
}

TEST(job_methods, followers_that_left_before_the_job_ended_hold_nothing) {
    daemon_parts d;
    d.begin("jobs.submit", "{}", k_document);
    auto j = d.jobs->all().front();
    const auto params = sdk::concat(R"({"id":")", j->uid.text(), R"(","follow":true})");
    const auto before = j.use_count();
    for (int i = 0; i < 20; ++i) {
        auto id = d.begin("jobs.logs", params);
        ASSERT_NE(id, 0u);
        d.end(id);
    }
    for (int i = 0; i < 2000 && j.use_count() != before; ++i)  // the worker pool lets go of the last run
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(j.use_count(), before);
}

}  // namespace
