// Engines that answer, and sockets behind which somebody else, or nobody, is.
#include "containers_probe.hpp"

#include "cri.hpp"
#include "engine_server.hpp"
#include "fixtures/machines/rig.hpp"

#include <sys/fsuid.h>

#include <atomic>
#include <chrono>

namespace sigrun::containers {
namespace {

using machines::value_of;
using machines::json::value;
using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

constexpr const char* k_version =
    R"({"Platform":{"Name":"x"},"Version":"24.0.7","ApiVersion":"1.43","MinAPIVersion":"1.12","Os":"linux"})";
constexpr const char* k_info =
    R"({"Driver":"overlay2","CgroupDriver":"systemd","Runtimes":{"runc":{"path":"runc"},"crun":{}},)"
    R"("SecurityOptions":["name=seccomp,profile=builtin","name=rootless"]})";

std::map<std::string, std::string> docker(const char* version = k_version, const char* info = k_info) {
    return {{"/_ping", "OK"}, {"/version", version}, {"/info", info}};
}

machines::fact_map facts_of(const machines::scratch_tree& tree, milliseconds limit = milliseconds(20'000),
                            const std::vector<std::string>& more = {}, const machine_calls& calls = {}) {
    const auto where = candidates(calls, more);
    return machines::facts_below(tree.path(), [&](auto& root, auto& run) { collect(root, where, limit, run); });
}

/// The one record of runtime.
machines::json::object only_record(const machines::fact_map& facts) {
    const auto list = value_of(facts, "runtime");
    if (!list.is_array() || list.as_array().size() != 1) {
        ADD_FAILURE() << "expected one record, found " << list;
        return {};
    }
    return list.as_array()[0].as_object();
}
std::string detail_of(const machines::fact_map& facts) {
    const auto* text = facts.at("runtime").if_contains("detail");
    return text ? std::string(text->as_string()) : std::string();
}

TEST(containers_probe, mission_D11_an_engine_that_answers_is_described_in_its_own_words) {
    machines::scratch_tree tree;
    engine_server server(tree.path() + "/run/docker.sock", engine_server::engine(docker()));
    const auto facts = facts_of(tree);
    EXPECT_EQ(value(only_record(facts)), machines::json::parse(R"({"name":"docker","version":"24.0.7","api":"1.43",
        "socket":"/run/docker.sock","rootless":true,"usable":true,"cgroup_driver":"systemd","storage_driver":"overlay2",
        "oci_runtimes":["crun","runc"]})"));
    EXPECT_EQ(detail_of(facts), "");
    EXPECT_EQ(facts.at("runtime").at("volatility"), value("slow"));
}

TEST(containers_probe, podman_at_the_socket_of_docker_is_podman) {
    machines::scratch_tree tree;
    engine_server server(
        tree.path() + "/run/docker.sock",
        engine_server::engine(docker(R"({"Version":"4.3.1","Components":[{"Name":"Podman Engine"}]})", "{}")));
    const auto record = only_record(facts_of(tree));
    EXPECT_EQ(record.at("name"), value("podman"));
    EXPECT_FALSE(record.contains("api"));
    EXPECT_EQ(record.at("rootless"), value(::geteuid() != 0)) << "the user that listens tells";
}

TEST(containers_probe, without_info_the_rest_stands) {
    machines::scratch_tree tree;
    auto bodies = docker();
    bodies.erase("/info");
    engine_server server(tree.path() + "/run/docker.sock", engine_server::engine(bodies));
    const auto facts = facts_of(tree, milliseconds(400));
    EXPECT_EQ(only_record(facts).at("usable"), value(true));
    EXPECT_EQ(only_record(facts).at("version"), value("24.0.7"));
    EXPECT_FALSE(only_record(facts).contains("storage_driver"));
    EXPECT_NE(detail_of(facts).find("/info: no answer in time"), std::string::npos) << detail_of(facts);
}

struct bad_server {
    const char* name;
    engine_server::behaviour what;
    const char* why;
};
class containers_bad : public testing::TestWithParam<bad_server> {};
TEST_P(containers_bad, mission_D11_a_socket_that_does_not_answer_is_there_and_not_usable) {
    machines::scratch_tree tree;
    engine_server server(tree.path() + "/run/docker.sock", GetParam().what);
    const auto begin = clock::now();
    const auto facts = facts_of(tree, milliseconds(300));
    EXPECT_LT(clock::now() - begin, milliseconds(5000));
    const auto record = only_record(facts);
    EXPECT_EQ(record.at("usable"), value(false));
    EXPECT_EQ(record.at("socket"), value("/run/docker.sock"));
    EXPECT_FALSE(record.contains("version"));
    EXPECT_NE(detail_of(facts).find(GetParam().why), std::string::npos) << detail_of(facts);
}
void slowly(int fd, int stop, const std::string& text) {
    for (char c : text) {
        engine_server::say(fd, std::string(1, c));
        pollfd one{stop, POLLIN, 0};
        if (::poll(&one, 1, 20) != 0) return;
    }
    engine_server::wait_for_the_end(stop);
}
INSTANTIATE_TEST_SUITE_P(
    servers, containers_bad,
    testing::Values(
        bad_server{"silent", [](int, int stop) { engine_server::wait_for_the_end(stop); }, "no answer in time"},
        bad_server{"slow_by_byte",
                   [](int fd, int stop) { slowly(fd, stop, engine_server::reply(std::string(500, 'x'))); },
                   "no answer in time"},
        bad_server{"closes", [](int, int) {}, "/_ping: "},
        bad_server{"resets",
                   [](int fd, int stop) {
                       engine_server::readable(fd, stop);  // and unread data makes the close a reset
                   },
                   "/_ping: "},
        bad_server{"garbage",
                   [](int fd, int stop) {
                       engine_server::next_request(fd, stop);
                       engine_server::say(fd, std::string(3000, '\xff'));
                       engine_server::wait_for_the_end(stop);
                   },
                   "/_ping: "},
        bad_server{"endless_head",
                   [](int fd, int stop) {
                       engine_server::next_request(fd, stop);
                       engine_server::say(fd, "HTTP/1.1 200 OK\r\nA: " + std::string(200'000, 'a'));
                       engine_server::wait_for_the_end(stop);
                   },
                   "/_ping: "},
        bad_server{"huge_body",
                   [](int fd, int stop) {
                       engine_server::next_request(fd, stop);
                       engine_server::say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
                       engine_server::wait_for_the_end(stop);
                   },
                   "/_ping: "},
        bad_server{"refuses",
                   [](int fd, int stop) {
                       engine_server::next_request(fd, stop);
                       engine_server::say(fd, engine_server::reply("no", "500 Internal Server Error"));
                       engine_server::wait_for_the_end(stop);
                   },
                   "/_ping: status 500"},
        bad_server{"no_version", engine_server::engine({{"/_ping", "OK"}, {"/version", "[1,2]"}}),
                   "expected JSON with Version"},
        bad_server{"version_of_another_kind",
                   engine_server::engine({{"/_ping", "OK"}, {"/version", R"({"Version":{"a":[]},"ApiVersion":7})"}}),
                   "expected JSON with Version"}),
    [](const auto& p) { return std::string(p.param.name); });

TEST(containers_probe, one_that_hangs_delays_no_other) {
    machines::scratch_tree tree;
    engine_server silent(tree.path() + "/run/docker.sock",
                         [](int, int stop) { engine_server::wait_for_the_end(stop); });
    engine_server good(tree.path() + "/run/podman/podman.sock", engine_server::engine(docker()));
    const auto list = value_of(facts_of(tree, milliseconds(400)), "runtime");
    ASSERT_EQ(list.as_array().size(), 2u);
    EXPECT_EQ(list.as_array()[0].at("usable"), value(false));
    EXPECT_EQ(list.as_array()[1].at("usable"), value(true));
    EXPECT_EQ(list.as_array()[1].at("name"), value("podman"));
}

TEST(containers_probe, nobody_listens) {
    machines::scratch_tree tree;
    {
        engine_server gone(tree.path() + "/run/docker.sock", [](int, int) {});
    }
    const auto facts = facts_of(tree);
    EXPECT_EQ(only_record(facts).at("usable"), value(false));
    EXPECT_NE(detail_of(facts).find("Connection refused"), std::string::npos) << detail_of(facts);
}

TEST(containers_probe, mission_D11_engines_of_the_runtime_interface_that_do_not_answer_are_not_usable) {
    machines::scratch_tree tree;
    engine_server containerd(tree.path() + "/run/containerd/containerd.sock",
                             [](int, int stop) { engine_server::wait_for_the_end(stop); });
    engine_server http(tree.path() + "/run/crio/crio.sock", [](int fd, int stop) {
        engine_server::say(fd, engine_server::reply(std::string(100, 'x'), "400 Bad Request"));
        engine_server::wait_for_the_end(stop);
    });
    const auto facts = facts_of(tree, milliseconds(300));
    const auto list = value_of(facts, "runtime");
    ASSERT_EQ(list.as_array().size(), 2u);
    for (const auto& one : list.as_array()) {
        EXPECT_EQ(one.at("usable"), value(false)) << one;
        EXPECT_FALSE(one.as_object().contains("version")) << one;
    }
    EXPECT_EQ(list.as_array()[1].at("name"), value("cri-o"));
    EXPECT_NE(detail_of(facts).find("containerd.sock: Version: no answer in time"), std::string::npos);
    EXPECT_NE(detail_of(facts).find("crio.sock: Version: no HTTP/2"), std::string::npos) << detail_of(facts);
}

TEST(containers_probe, mission_D11_an_engine_of_the_runtime_interface_that_hangs_up_is_not_usable) {
    machines::scratch_tree tree;
    engine_server closes(tree.path() + "/run/containerd/containerd.sock", [](int, int) {});
    const auto facts = facts_of(tree);
    EXPECT_EQ(only_record(facts).at("usable"), value(false));
    EXPECT_NE(detail_of(facts).find("containerd.sock: Version: "), std::string::npos) << detail_of(facts);
}

TEST(cri_messages, the_version_is_read_whatever_else_is_there) {
    engine_facts facts;
    EXPECT_TRUE(
        read_cri_version("\x0a\x05"
                         "0.1.0\x12\x0a"
                         "containerd\x1a\x06"
                         "v1.7.2\x22\x02v1",
                         facts));
    EXPECT_EQ(facts.version, "1.7.2");
    EXPECT_EQ(facts.api, "1");
    EXPECT_TRUE(
        read_cri_version("\x08\x07\x1a\x03"
                         "1.2",
                         facts))
        << "a field of another kind is passed over";
    EXPECT_TRUE(
        read_containerd_version("\x0a\x05"
                                "2.0.1",
                                facts));
    EXPECT_EQ(facts.version, "2.0.1");
}

TEST(cri_messages, what_is_no_version_is_refused) {
    engine_facts facts;
    for (const std::string message : {"",
                                      "\x1a\x7f"
                                      "1",
                                      "\x1a\xff\xff\xff\xff\x0f"
                                      "1",
                                      "\x0a\x01"
                                      "1",
                                      "\x1a\x03"
                                      "1 2",
                                      "\x80"})
        EXPECT_FALSE(read_cri_version(message, facts)) << message;
    EXPECT_FALSE(read_cri_version("\x1a\x81\x01" + std::string(129, '1'), facts));
}

TEST(containers_probe, a_socket_with_two_names_is_one_engine) {
    machines::scratch_tree tree;
    engine_server server(tree.path() + "/run/docker.sock", engine_server::engine(docker()));
    std::filesystem::create_directory(tree.path() + "/var");
    std::filesystem::create_directory_symlink("/run", tree.path() + "/var/run");
    EXPECT_EQ(only_record(facts_of(tree)).at("socket"), value("/run/docker.sock"));
}

TEST(containers_probe, rootless_and_declared_sockets_are_looked_for) {
    machines::scratch_tree tree;
    const auto user = engine_server::engine(docker());
    engine_server own(tree.path() + "/run/user/1000/podman/podman.sock", user);
    engine_server host(tree.path() + "/home/x/d.sock", user);
    engine_server more(tree.path() + "/opt/c.sock", [](int, int) {});
    machine_calls calls;
    calls.variable = [](const char* name) -> std::string {
        return std::string_view(name) == "XDG_RUNTIME_DIR" ? "/run/user/1000" : "unix:///home/x/d.sock";
    };
    const auto list = value_of(facts_of(tree, milliseconds(20'000), {"containerd=/opt/c.sock"}, calls), "runtime");
    ASSERT_EQ(list.as_array().size(), 3u);
    EXPECT_EQ(list.as_array()[0].at("socket"), value("/opt/c.sock"));
    EXPECT_EQ(list.as_array()[1].at("socket"), value("/home/x/d.sock"));
    EXPECT_EQ(list.as_array()[2].at("socket"), value("/run/user/1000/podman/podman.sock"));
}

TEST(containers_probe, a_wrong_option_is_refused) {
    for (const char* wrong : {"", "docker", "docker=", "docker=relative", "lxc=/run/x.sock", "=/x"})
        EXPECT_THROW(candidates({}, {wrong}), sdk::failure) << wrong;
}

TEST(containers_probe, a_file_that_is_no_socket_is_no_engine) {
    machines::scratch_tree tree;
    tree.write("run/docker.sock", "text").write("run/podman/podman.sock/x", "");
    EXPECT_EQ(value_of(facts_of(tree), "runtime"), value(machines::json::array()));
}

TEST(containers_probe, a_denied_socket_is_there_and_not_usable) {
    machines::scratch_tree tree;
    engine_server server(tree.path() + "/run/docker.sock", engine_server::engine(docker()));
    ::chmod(tree.path().c_str(), 0755);
    ::chmod((tree.path() + "/run/docker.sock").c_str(), 0600);
    machines::fact_map facts;
    // Root may use everything; this one thread gives that up for its file accesses.
    std::thread([&] {
        ::setfsuid(65534);
        facts = facts_of(tree);
    }).join();
    EXPECT_EQ(only_record(facts).at("usable"), value(false));
    EXPECT_NE(detail_of(facts).find("Permission denied"), std::string::npos) << detail_of(facts);
}

TEST(containers_probe, an_empty_tree_gives_no_value_at_all) {
    machines::scratch_tree empty;
    const auto facts = facts_of(empty);
    ASSERT_EQ(facts.size(), 1u);
    EXPECT_EQ(facts.at("runtime").at("status"), value("absent"));
}

TEST(containers_probe, cancelled_it_ends_at_once_without_a_value) {
    machines::scratch_tree tree;
    engine_server silent(tree.path() + "/run/docker.sock",
                         [](int, int stop) { engine_server::wait_for_the_end(stop); });
    machines::collecting_sink sink;
    const sdk::sysroot root(tree.path());
    const std::atomic<sigrun_op> cancelled{1};
    sdk::probe_run run("runtime", &sink.abi, &cancelled, 1, 0);
    const auto begin = clock::now();
    collect(root, candidates({}, {}), milliseconds(60'000), run);
    run.finish();
    EXPECT_LT(clock::now() - begin, milliseconds(5000));
    EXPECT_EQ(machines::status_of(sink.facts, "runtime"), "timeout");
}

TEST(containers_probe, the_live_machine_has_a_list) {
    const auto where = candidates(live_calls(), {});
    const auto facts =
        machines::facts_below("", [&](auto& root, auto& run) { collect(root, where, milliseconds(2000), run); });
    EXPECT_TRUE(value_of(facts, "runtime").is_array());
}

}  // namespace
}  // namespace sigrun::containers
