// Options that change while the plugin serves.
#include "served_plugin.hpp"

#include <sigrun/cpp/text.hpp>

#include <gtest/gtest.h>

#include <atomic>

namespace sigrun::http {
namespace {

using testing::served_plugin;
using values = served_plugin::options;

const sigrun_entry& entry() {
    sigrun_hello hello{};
    hello.struct_size = sizeof hello;
    hello.abi_major = SIGRUN_ABI_MAJOR;
    hello.abi_minor = SIGRUN_ABI_MINOR;
    return *sigrun_plugin_entry_v1(&hello);
}

std::uint32_t change(served_plugin& sut, const values& options) {
    return sut.host.reconfigure(sut.instance, entry(), "http", options);
}

TEST(http_hot_options, limits_change_for_what_comes_next) {
    served_plugin sut;
    sut.on("jobs.submit", R"({"id":"1"})");
    const std::string big = "{\"x\":\"" + std::string(100'000, 'y') + "\"}";
    EXPECT_EQ(sut.post("/v1/jobs", big).status, 201);
    EXPECT_EQ(change(sut, {{"max_body", "64KiB"}}), SIGRUN_EFFECT_APPLIED_HOT);
    EXPECT_EQ(sut.post("/v1/jobs", big).status, 413);
    EXPECT_EQ(change(sut, {{"max_header", "4KiB"}}), SIGRUN_EFFECT_APPLIED_HOT);
    EXPECT_EQ(sut.post("/v1/jobs", big).status, 201) << "what is not named has its default again";
    EXPECT_EQ(sut.get("/v1/jobs", "X-Long: " + std::string(6000, 'x') + "\r\n").status, 431);
}

TEST(http_hot_options, names_that_may_be_asked_for_change) {
    served_plugin sut;
    sut.on("jobs.list", R"({"items":[]})");
    const std::string request = "GET /v1/jobs HTTP/1.1\r\nHost: build.example\r\n\r\n";
    EXPECT_EQ(sut.ask(request).status, 421);
    EXPECT_EQ(change(sut, {{"allowed_hosts", "build.example"}}), SIGRUN_EFFECT_APPLIED_HOT);
    EXPECT_EQ(sut.ask(request).status, 200);
}

TEST(http_hot_options, an_idle_connection_follows_the_new_timeout) {
    served_plugin sut;
    sut.on("jobs.list", R"({"items":[]})");
    EXPECT_EQ(change(sut, {{"idle_timeout", "50ms"}}), SIGRUN_EFFECT_APPLIED_HOT);
    auto s = sut.connect();
    s.send("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(s.read_response().status, 200);
    EXPECT_EQ(s.read_to_end(), "") << "it is closed, and nothing more is said";
}

TEST(http_hot_options, another_number_of_threads_needs_a_new_instance) {
    served_plugin sut;
    sut.on("jobs.submit", R"({"id":"1"})");
    EXPECT_EQ(change(sut, {{"threads", "2"}, {"max_body", "1KiB"}}), SIGRUN_EFFECT_NEEDS_NEW_INSTANCE);
    EXPECT_EQ(sut.post("/v1/jobs", "{\"x\":\"" + std::string(2000, 'y') + "\"}").status, 201)
        << "nothing was taken over";
}

TEST(http_hot_options, they_change_while_requests_are_served) {
    served_plugin sut;
    sut.on("jobs.list", R"({"items":[]})");
    std::atomic<bool> stop{false};
    std::atomic<int> bad{0}, good{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i)
        clients.emplace_back([&] {
            while (!stop) ++(sut.get("/v1/jobs").status == 200 ? good : bad);
        });
    for (int i = 0; i < 200; ++i)
        change(sut, {{"max_header", sdk::concat(i % 8 + 4, "KiB")}, {"allowed_hosts", i % 2 ? "a, b" : "c"}});
    while (good < 10) std::this_thread::yield();
    stop = true;
    for (auto& c : clients) c.join();
    EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace sigrun::http
