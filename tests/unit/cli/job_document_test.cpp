#include "kernel/app/sigrun/job_document.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace sigrun::cli {
namespace {

job_options command(std::vector<std::string> words) {
    job_options o;
    o.command = std::move(words);
    return o;
}

TEST(job_document, holds_only_what_was_given) {
    auto d = job_document(command({"make", "check"}));
    ASSERT_TRUE(d);
    EXPECT_EQ(json::serialize(*d), R"({"kind":"process","command":["make","check"]})");
}

TEST(job_document, limits_have_the_types_of_the_document) {
    job_options o = command({"true"});
    o.limits = {{"memory", "512MiB"}, {"cpus", "1.5"},   {"pids", "64"},
                {"core", "0"},        {"workspace", ""}, {"enforce", "required"}};
    auto d = job_document(o);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->at("limits"),
              json::value({{"core", "0"}, {"cpus", 1.5}, {"enforce", "required"}, {"memory", "512MiB"}, {"pids", 64}}));
    o.limits["cpus"] = "two";
    EXPECT_EQ(job_document(o).error().field, "limits.cpus");
}

TEST(job_document, secrets_come_from_the_environment_or_from_files_and_never_from_the_command_line) {
    const std::string path = testing::TempDir() + "secret-of-the-job";
    std::ofstream(path) << "from a file\n";
    ASSERT_EQ(::setenv("SIGRUN_TEST_SECRET", "hunter22", 1), 0);
    job_options o = command({"true"});
    o.secrets = {"SIGRUN_TEST_SECRET", "KEY=@" + path};
    EXPECT_EQ(job_document(o)->at("secrets"),
              json::value({{"SIGRUN_TEST_SECRET", "hunter22"}, {"KEY", "from a file"}}));
    std::ofstream(path) << "-- two\nlines --\n";
    EXPECT_EQ(job_document(o)->at("secrets").at("KEY"), "-- two\nlines --\n");
    o.secrets = {"KEY=hunter22"};
    const auto refused = job_document(o).error();
    EXPECT_EQ(refused.field, "--secret");
    EXPECT_EQ(refused.text().find("hunter22"), std::string::npos) << refused.text();
    o.secrets = {"KEY=@" + path + ".missing"};
    EXPECT_NE(job_document(o).error().text().find(".missing"), std::string::npos);
    ::unsetenv("SIGRUN_TEST_SECRET");
    o.secrets = {"SIGRUN_TEST_SECRET"};
    EXPECT_NE(job_document(o).error().text().find("not set"), std::string::npos);
    std::remove(path.c_str());
}

TEST(job_document, isolation_is_written_as_the_document_wants_it) {
    job_options o = command({"true"});
    o.setting.user = "builder";
    o.setting.pty_size = "120x40";
    o.setting.isolate = {"network", "files", "ipc=host"};
    o.setting.writable = {"/srv/cache"};
    o.setting.enforce = "best_effort";
    auto d = job_document(o);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->at("user"), "builder");
    EXPECT_EQ(d->at("pty"), json::value({{"columns", 120}, {"rows", 40}}));
    EXPECT_EQ(d->at("isolation"), json::value({{"network", "none"},
                                               {"files", "read_only"},
                                               {"ipc", "host"},
                                               {"writable", json::array{"/srv/cache"}},
                                               {"enforce", "best_effort"}}));
    o.setting.isolate = {"all"};
    EXPECT_EQ(job_document(o)->at("isolation").as_object().size(), 10u);
    o.setting.isolate = {"nework"};
    EXPECT_EQ(job_document(o).error().field, "--isolate");
    o.setting.isolate.clear();
    o.setting.pty_size = "120";
    EXPECT_EQ(job_document(o).error().field, "--pty-size");
}

TEST(job_document, an_image_makes_it_a_container) {
    job_options o = command({"true"});
    o.setting.image = "debian:12";
    o.setting.pull = "never";
    auto d = job_document(o);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->at("kind"), "container");
    EXPECT_EQ(d->at("container"), json::value({{"image", "debian:12"}, {"pull", "never"}}));
}

TEST(job_document, carries_every_option_to_its_field) {
    job_options o = command({"true"});
    o.requires_text = "cpu.effective_cores >= 2";
    o.workdir = "/srv";
    o.queue = "q";
    o.protocol = "http";
    o.preferred_protocol = "grpc";
    o.max_latency = "20ms";
    o.balancer = "round_robin";
    o.tenant = "us";
    o.affinity = "repo-7";
    o.priority = "high";
    o.durability = "memory";
    o.run_timeout = "10m";
    o.queue_timeout = "1h";
    o.start_timeout = "5s";
    o.delay = "10m";
    o.start_at = "2026-01-05T10:00:00Z";
    o.silent_timeout = "2m";
    o.total_timeout = "3h";
    o.environment = {"A=1", "B=x=y"};
    o.labels = {"team=core"};
    o.prefers = {"10:label.cache == \"warm\""};
    o.user_retries = 0;
    o.infrastructure_retries = 2;
    o.once = true;
    auto d = job_document(o);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->at("requires"), "cpu.effective_cores >= 2");
    EXPECT_EQ(d->at("workdir"), "/srv");
    EXPECT_EQ(d->at("queue"), "q");
    EXPECT_EQ(d->at("protocol"), "http");
    EXPECT_EQ(d->at("preferred_protocol"), "grpc");
    EXPECT_EQ(d->at("max_latency"), "20ms");
    EXPECT_EQ(d->at("balancer"), "round_robin");
    EXPECT_EQ(d->at("tenant"), "us");
    EXPECT_EQ(d->at("affinity"), "repo-7");
    EXPECT_EQ(d->at("priority"), "high");
    EXPECT_EQ(d->at("durability"), "memory");
    EXPECT_EQ(d->at("delay"), "10m");
    EXPECT_EQ(d->at("start_at"), "2026-01-05T10:00:00Z");
    EXPECT_EQ(d->at("timeouts"),
              json::value({{"run", "10m"}, {"queue", "1h"}, {"start", "5s"}, {"silent", "2m"}, {"total", "3h"}}));
    EXPECT_EQ(d->at("env"), json::value({{"A", "1"}, {"B", "x=y"}}));
    EXPECT_EQ(d->at("labels"), json::value({{"team", "core"}}));
    EXPECT_EQ(json::serialize(d->at("prefers")), R"([{"if":"label.cache == \"warm\"","weight":10}])");
    EXPECT_EQ(d->at("retry"), json::value({{"user", 0}, {"infrastructure", 2}}));
    EXPECT_EQ(d->at("idempotent"), false);
    EXPECT_FALSE(d->contains("hedge"));
    o.hedge = true;
    o.explain = true;
    EXPECT_EQ(job_document(o)->at("hedge"), true);
    EXPECT_EQ(job_document(o)->at("explain"), true);
}

TEST(job_document, names_the_option_that_is_wrong) {
    EXPECT_EQ(job_document(job_options{}).error().field, "command");
    job_options o = command({"true"});
    o.environment = {"NOEQUALS"};
    EXPECT_EQ(job_document(o).error().text(), "--env: expected NAME=VALUE, found \"NOEQUALS\"");
    o = command({"true"});
    o.labels = {"=x"};
    EXPECT_EQ(job_document(o).error().field, "--label");
    for (const char* bad : {"label.a", ":x", "ten:x", "1x:y"}) {
        o = command({"true"});
        o.prefers = {bad};
        EXPECT_EQ(job_document(o).error().field, "--prefers") << bad;
    }
    o = command({"echo"});
    o.payload = "@/nowhere/at/all";
    EXPECT_EQ(job_document(o).error().field, "--payload");
}

TEST(job_document, a_payload_file_is_read_and_binary_travels_as_base64) {
    std::string path = "/tmp/sigrun-payload-XXXXXX";
    const int fd = ::mkstemp(path.data());
    ASSERT_GE(fd, 0);
    const std::string bytes("\x00\xff\x10 binary", 10);
    ASSERT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
    job_options o = command({"echo"});
    o.kind = "call";
    o.payload = "@" + path;
    auto d = job_document(o);
    ::unlink(path.c_str());
    ASSERT_TRUE(d);
    ASSERT_TRUE(d->at("payload").is_object());
    EXPECT_EQ(bytes_of(d->at("payload")), bytes);
}

TEST(job_document, bytes_survive_the_way_into_json_and_back) {
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    for (std::size_t n = 0; n <= all.size(); ++n)
        EXPECT_EQ(bytes_of(text_or_base64(all.substr(0, n))), all.substr(0, n));
    EXPECT_TRUE(text_or_base64("gr\xC3\xBC\xC3\x9F").is_string());
    EXPECT_EQ(bytes_of(json::value(7)), "");
}

}  // namespace
}  // namespace sigrun::cli
