// What a job of kind "container" is to an engine, and how its output is taken apart.
#include "container_plan.hpp"

#include "engine_http.hpp"
#include "log_pieces.hpp"

#include <gtest/gtest.h>

namespace sigrun::container {
namespace {

namespace json = boost::json;

const container_rules k_rules{"bridge", {"/srv/cache"}};

json::object create_body(const std::string& members, const container_rules& rules = k_rules) {
    const auto plan = plan_container(
        R"({"kind":"container","command":["make","check"],"container":{"image":"debian:12"})" + members + "}", rules);
    return json::parse(plan.create_body(0, rules, "/work/7", {"job-1", "1:abc", 2})).as_object();
}

std::string held(const std::string& members, const container_rules& rules = k_rules) {
    const auto plan =
        plan_container(R"({"kind":"container","command":["true"],"container":{"image":"i"})" + members + "}", rules);
    std::string all;
    for (const auto& one : plan.held) all += one.name + " ";
    return all;
}

template <class Error>
std::string refusal(const std::string& members, const container_rules& rules = k_rules) {
    try {
        held(members, rules);
    } catch (const Error& e) {
        return e.message;
    }
    return "taken";
}

bool says(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST(container_plan, a_command_replaces_what_the_image_would_run) {
    const auto body = create_body(R"(,"env":{"CI":"1"},"secrets":{"KEY":"hunter2"})");
    EXPECT_EQ(body.at("Image"), "debian:12");
    EXPECT_EQ(body.at("Entrypoint"), json::value({"make"}));
    EXPECT_EQ(body.at("Cmd"), json::value({"check"}));
    EXPECT_EQ(body.at("WorkingDir"), "/workspace");
    EXPECT_EQ(body.at("Env"), json::value({"CI=1", "KEY=hunter2", "SIGRUN_OUTPUT=/workspace/.sigrun-output",
                                           "SIGRUN_JOB=job-1", "SIGRUN_ATTEMPT=2", "SIGRUN_FENCING_TOKEN=1:abc"}));
    EXPECT_EQ(body.at("HostConfig").at("Binds"), json::value({"/work/7:/workspace"}));
    EXPECT_EQ(body.at("HostConfig").at("NetworkMode"), "bridge");
    EXPECT_EQ(body.at("HostConfig").at("SecurityOpt"), json::value({"no-new-privileges"}));
    EXPECT_EQ(body.at("Labels").at("sigrun.token"), "1:abc");
    EXPECT_EQ(create_body(R"(,"workdir":"src")").at("WorkingDir"), "/workspace/src");
    EXPECT_EQ(create_body(R"(,"workdir":"/opt")").at("WorkingDir"), "/opt");
}

TEST(container_plan, limits_are_the_engines) {
    const auto host =
        create_body(R"(,"limits":{"memory":"64MiB","cpus":1.5,"pids":20,"open_files":99})").at("HostConfig");
    EXPECT_EQ(host.at("Memory"), 64 << 20);
    EXPECT_EQ(host.at("MemorySwap"), 64 << 20);
    EXPECT_EQ(host.at("NanoCpus"), 1'500'000'000);
    EXPECT_EQ(host.at("PidsLimit"), 20);
    EXPECT_EQ(host.at("Ulimits"), json::value({{{"Name", "nofile"}, {"Soft", 99}, {"Hard", 99}}}));
    EXPECT_TRUE(
        says(refusal<process::limits_refused>(R"(,"limits":{"workspace":"1GiB","enforce":"required"})"), "workspace"));
    EXPECT_EQ(refusal<process::limits_refused>(R"(,"limits":{"workspace":"1GiB"})"), "taken");
}

TEST(container_plan, isolation_that_a_container_always_has_cannot_be_switched_off) {
    EXPECT_EQ(held(""), "tmp mounts processes ipc syscalls privileges ");
    EXPECT_EQ(held(R"(,"isolation":{"network":"none","files":"read_only"})"),
              "tmp mounts processes network ipc files syscalls privileges ");
    EXPECT_EQ(held("", {"none", {}}), "tmp mounts processes network ipc syscalls privileges ");
    EXPECT_TRUE(says(refusal<process::job_error>(R"(,"isolation":{"tmp":"host"})"), "isolation.tmp"));
    EXPECT_TRUE(
        says(refusal<process::setting_refused>(R"(,"isolation":{"network":"host"})"), "option network is bridge"));
    EXPECT_EQ(refusal<process::setting_refused>(R"(,"isolation":{"network":"host"})", {"host", {}}), "taken");
    const auto host = create_body(R"(,"isolation":{"network":"none","files":"read_only","writable":["/srv/cache/x"]})")
                          .at("HostConfig");
    EXPECT_EQ(host.at("NetworkMode"), "none");
    EXPECT_EQ(host.at("ReadonlyRootfs"), true);
    EXPECT_EQ(host.at("Binds"), json::value({"/work/7:/workspace", "/srv/cache/x:/srv/cache/x"}));
    EXPECT_TRUE(
        says(refusal<process::setting_refused>(R"(,"isolation":{"files":"read_only","writable":["/srv"]})"), "/srv"));
}

TEST(container_plan, a_user_is_a_number) {
    EXPECT_EQ(create_body(R"(,"user":"1000:100")").at("User"), "1000:100");
    EXPECT_TRUE(says(refusal<process::job_error>(R"(,"user":"builder")"), "expected a number"));
}

TEST(container_plan, an_image_is_needed) {
    EXPECT_THROW(plan_container(R"({"command":["true"]})", k_rules), process::job_error);
    EXPECT_THROW(plan_container(R"({"command":["true"],"container":{"image":""}})", k_rules), process::job_error);
}

std::string frame(char stream, std::string_view text) {
    std::string out{stream, 0, 0, 0, 0, 0, static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xff)};
    return out.append(text);
}

TEST(log_pieces, frames_are_taken_apart_wherever_they_are_cut) {
    const auto all = frame(1, "out\n") + frame(2, "err\n") + frame(1, "") + frame(1, std::string(700, 'x'));
    for (std::size_t step = 1; step < 40; ++step) {
        log_pieces pieces(false);
        std::string out, err;
        for (std::size_t at = 0; at < all.size(); at += step)
            EXPECT_TRUE(pieces.add(
                std::string_view(all).substr(at, step),
                [&](std::uint32_t stream, std::string_view p) { (stream == SIGRUN_STREAM_STDERR ? err : out) += p; }));
        EXPECT_EQ(out, "out\n" + std::string(700, 'x')) << step;
        EXPECT_EQ(err, "err\n") << step;
    }
}

TEST(log_pieces, what_is_no_frame_is_told_and_a_terminal_has_none) {
    const auto ignore = [](std::uint32_t, std::string_view) {};
    EXPECT_FALSE(log_pieces(false).add("not frames", ignore));
    std::string all;
    EXPECT_TRUE(log_pieces(true).add("not frames", [&](std::uint32_t, std::string_view p) { all += p; }));
    EXPECT_EQ(all, "not frames");
    std::size_t largest = 0;
    log_pieces(true).add(std::string(200'000, 'x'),
                         [&](std::uint32_t, std::string_view p) { largest = std::max(largest, p.size()); });
    EXPECT_EQ(largest, SIGRUN_LOG_MAX);
}

TEST(engine_http, what_an_engine_complains_of_is_found_in_its_answer) {
    EXPECT_EQ((engine_reply{404, R"({"message":"no such image"})"}).message(), "no such image");
    EXPECT_EQ((engine_reply{500, "plain\n"}).message(), "plain");
    EXPECT_EQ((engine_reply{500, ""}).message(), "status 500");
    EXPECT_EQ(url_encoded("docker.io/a:b c"), "docker.io%2Fa%3Ab%20c");
}

TEST(engine_http, a_socket_that_is_not_there_is_told) {
    try {
        engine_http("/not/there").ask("GET", "/_ping", {}, std::chrono::seconds(1));
        FAIL();
    } catch (const engine_error& e) {
        EXPECT_TRUE(says(e.what(), "/not/there: No such file"));
    }
}

}  // namespace
}  // namespace sigrun::container
