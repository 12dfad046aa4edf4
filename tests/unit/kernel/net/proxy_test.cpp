// Which proxy is used for what, and what is made of its answers; the tunnel itself over a real socket.
#include "dial_rig.hpp"
#include "kernel/net/proxy_reply.hpp"
#include "kernel/net/proxy_rules.hpp"

#include <map>
#include <thread>

namespace sigrun::net_test {
namespace {

net_address at(const std::string& text) { return *parse_net_address(text); }

struct variables {
    std::map<std::string, std::string, std::less<>> values;
    proxy_rules::environment reader() const {
        return [this](const char* name) -> const char* {
            const auto found = values.find(name);
            return found == values.end() ? nullptr : found->second.c_str();
        };
    }
};

std::string chosen(const proxy_rules& rules, const std::string& target, bool encrypted = true) {
    auto proxy = rules.proxy_for(at(target), encrypted);
    if (!proxy) return "problem: " + proxy.error().text();
    return *proxy ? (*proxy)->where.text() : "direct";
}

TEST(proxy_rules, the_environment_says_which_proxy_and_lower_case_wins) {
    variables env{
        {{"HTTPS_PROXY", "http://upper:1"}, {"https_proxy", "http://lower:2"}, {"ALL_PROXY", "http://all:3"}}};
    auto rules = *proxy_rules::make("auto", {}, env.reader());
    EXPECT_EQ(chosen(rules, "far.example:443"), "lower:2");
    EXPECT_EQ(chosen(rules, "far.example:7070", false), "all:3");
    env.values.erase("https_proxy");
    EXPECT_EQ(chosen(*proxy_rules::make("auto", {}, env.reader()), "far.example:443"), "upper:1");
    env.values = {{"HTTPS_PROXY", ""}};
    EXPECT_EQ(chosen(*proxy_rules::make("auto", {}, env.reader()), "far.example:443"), "direct");
    EXPECT_EQ(chosen(*proxy_rules::make("none", {}, env.reader()), "far.example:443"), "direct");
    EXPECT_EQ(chosen(*proxy_rules::make("http://own:9", {}, env.reader()), "far.example:443", false), "own:9");
}

TEST(proxy_rules, this_machine_is_never_reached_through_a_proxy) {
    auto rules = *proxy_rules::make("http://proxy:3128", {}, variables{}.reader());
    for (auto local : {"127.0.0.1:7070", "[::1]:7070", "localhost:7070", "LocalHost:1", "x.localhost:1", "unix:/run/x"})
        EXPECT_EQ(chosen(rules, local), "direct") << local;
    EXPECT_EQ(chosen(rules, "localhost.example:7070"), "proxy:3128");
}

TEST(proxy_rules, exceptions_are_names_domains_networks_and_ports) {
    const auto in = [](const char* entry, const char* target) { return matches_no_proxy(entry, at(target)); };
    EXPECT_TRUE(in("*", "far.example:1"));
    EXPECT_TRUE(in("example.net", "example.net:1"));
    EXPECT_TRUE(in("example.net", "a.b.EXAMPLE.net:1"));
    EXPECT_TRUE(in(".example.net", "a.example.net:1"));
    EXPECT_TRUE(in("*.example.net", "a.example.net:1"));
    EXPECT_FALSE(in("example.net", "badexample.net:1"));
    EXPECT_TRUE(in("example.net:443", "example.net:443"));
    EXPECT_FALSE(in("example.net:443", "example.net:80"));
    EXPECT_TRUE(in("10.0.0.0/8", "10.200.3.4:1"));
    EXPECT_FALSE(in("10.0.0.0/8", "11.0.0.1:1"));
    EXPECT_TRUE(in("192.0.2.16/28", "192.0.2.31:1"));
    EXPECT_FALSE(in("192.0.2.16/28", "192.0.2.32:1"));
    EXPECT_TRUE(in("192.0.2.1", "192.0.2.1:9"));
    EXPECT_TRUE(in("192.0.2.1:9", "192.0.2.1:9"));
    EXPECT_FALSE(in("192.0.2.1:8", "192.0.2.1:9"));
    EXPECT_TRUE(in("2001:db8::/32", "[2001:db8:1::1]:1"));
    EXPECT_FALSE(in("2001:db8::/32", "[2001:db9::1]:1"));
    EXPECT_TRUE(in("[2001:db8::1]:443", "[2001:db8::1]:443"));
    EXPECT_FALSE(in("10.0.0.0/33", "10.0.0.1:1"));
    EXPECT_FALSE(in("", "far.example:1"));
    variables env{{{"ALL_PROXY", "http://p:1"}, {"NO_PROXY", " a.example , 10.0.0.0/8"}}};
    auto rules = *proxy_rules::make("auto", {"b.example"}, env.reader());
    for (auto direct : {"a.example:1", "b.example:1", "10.1.1.1:1"})
        EXPECT_EQ(chosen(rules, direct), "direct") << direct;
    EXPECT_EQ(chosen(rules, "c.example:1"), "p:1");
}

TEST(proxy_rules, a_proxy_that_cannot_be_used_is_a_problem_without_its_password) {
    variables env{{{"ALL_PROXY", "socks5://user:hunter2@proxy:1080"}}};
    auto rules = *proxy_rules::make("auto", {}, env.reader());
    const auto said = chosen(rules, "far.example:443");
    EXPECT_NE(said.find("ALL_PROXY"), std::string::npos) << said;
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
    EXPECT_EQ(chosen(rules, "127.0.0.1:443"), "direct");
    for (std::string bad :
         {"http://user:hunter2@", "http://user:hunter2@host:0", "https://user:hunter2@host:1", "://"}) {
        const auto got = parse_proxy(bad, "net.proxy");
        ASSERT_FALSE(got) << bad;
        EXPECT_EQ(got.error().field, "net.proxy");
        EXPECT_EQ(got.error().text().find("hunter2"), std::string::npos) << got.error().text();
    }
    EXPECT_FALSE(proxy_rules::make("ftp://x", {}, env.reader()));
}

TEST(proxy_rules, credentials_are_decoded_and_the_port_has_a_default) {
    const auto got = parse_proxy("http://us%65r:p%40ss@proxy.example/", "x");
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->where.text(), "proxy.example:80");
    EXPECT_EQ(got->authorization, "Basic dXNlcjpwQHNz");  // user:p@ss
    EXPECT_EQ(parse_proxy("proxy:3128", "x")->where.text(), "proxy:3128");
    EXPECT_EQ(parse_proxy("http://[2001:db8::1]:3128", "x")->where.text(), "[2001:db8::1]:3128");
    EXPECT_EQ(parse_proxy("http://[2001:db8::1]", "x")->where.text(), "[2001:db8::1]:80");
}

TEST(proxy_reply, a_head_is_complete_at_its_empty_line_and_what_follows_is_not_its) {
    const std::string head = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
    for (std::size_t n = 0; n < head.size(); ++n)
        EXPECT_EQ(parse_proxy_reply(head.substr(0, n)).state, proxy_reply::need_more) << n;
    const auto got = parse_proxy_reply(head + "tunnelled bytes");
    EXPECT_EQ(got.state, proxy_reply::complete);
    EXPECT_EQ(got.size, head.size());
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.reason, "Connection established");
    EXPECT_EQ(parse_proxy_reply("HTTP/1.0 407\r\n\r\n").status, 407);
}

TEST(proxy_reply, what_is_not_http_or_too_large_is_malformed) {
    for (const std::string& bad :
         {std::string("SSH-2.0-x\r\n"), std::string("HTTP/2 200\r\n\r\n"), std::string("HTTP/1.1 20\r\n\r\n"),
          std::string("HTTP/1.1 2000\r\n\r\n"), std::string("HTTP/1.x 200 OK\r\n\r\n"),
          std::string("HTTP/1.1200 OK\r\n\r\n"), "HTTP/1.1 200 OK\r\n" + std::string(k_max_proxy_reply, 'x')})
        EXPECT_EQ(parse_proxy_reply(bad).state, proxy_reply::malformed) << bad.substr(0, 40);
}

/// One exchange of a proxy: reads a request head, answers with these bytes.
struct one_answer {
    explicit one_answer(std::string answer)
        : thread([this, answer = std::move(answer)] {
              connection = server.accept();
              char c = 0;
              while (request.find("\r\n\r\n") == std::string::npos && ::read(connection.get(), &c, 1) == 1)
                  request += c;
              [[maybe_unused]] auto n = ::write(connection.get(), answer.data(), answer.size());
          }) {}
    ~one_answer() {
        if (thread.joinable()) thread.join();
    }
    net_options options(const std::string& credentials = "") const {
        net_options o;
        o.policy.proxies = *proxy_rules::make("http://" + credentials + server.at(), {}, variables{}.reader());
        return o;
    }
    ear server;
    unique_fd connection;
    std::string request;
    std::thread thread;
};

TEST(proxy_tunnel, asks_for_the_name_with_credentials_and_leaves_what_follows_unread) {
    one_answer proxy("HTTP/1.1 200 fine\r\nX: y\r\n\r\nhello");
    network net(proxy.options("user:secret@"));
    auto got = dial_now(net, target("no-such-name.example:7070"));
    ASSERT_TRUE(got) << got.error().text();
    proxy.thread.join();
    EXPECT_EQ(proxy.request,
              "CONNECT no-such-name.example:7070 HTTP/1.1\r\nHost: no-such-name.example:7070\r\n"
              "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n");
    char room[16] = "";
    ASSERT_EQ(::recv(got->fd.get(), room, sizeof room, 0), 5);
    EXPECT_STREQ(room, "hello");
}

TEST(proxy_tunnel, a_refusal_says_what_the_proxy_answered) {
    for (const auto& [answer, code] :
         {std::pair("HTTP/1.1 407 Who are you\r\n\r\n", errc::forbidden),
          std::pair("HTTP/1.1 403 No\r\n\r\n", errc::forbidden),
          std::pair("HTTP/1.1 502 Bad gateway\r\n\r\n", errc::io), std::pair("nonsense\r\n", errc::io)}) {
        one_answer proxy(answer);
        network net(proxy.options("user:secret@"));
        const auto got = dial_now(net, target("far.example:1"));
        ASSERT_FALSE(got) << answer;
        EXPECT_EQ(got.error().code, code) << answer;
        EXPECT_NE(got.error().text().find(proxy.server.at()), std::string::npos) << got.error().text();
        EXPECT_EQ(got.error().text().find("secret"), std::string::npos) << got.error().text();
    }
}

TEST(proxy_tunnel, a_silent_proxy_is_left_at_the_deadline) {
    ear silent;
    net_options o;
    o.policy.proxies = *proxy_rules::make("http://" + silent.at(), {}, variables{}.reader());
    network net(o);
    EXPECT_EQ(dial_now(net, target("far.example:1", 50ms)).error().code, errc::timeout);
}

TEST(proxy_tunnel, this_machine_is_dialled_directly) {
    ear server, unused;
    net_options o;
    o.policy.proxies = *proxy_rules::make("http://" + unused.at(), {}, variables{}.reader());
    network net(o);
    auto got = dial_now(net, target(server.at()));
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->peer, server.at());
}

}  // namespace
}  // namespace sigrun::net_test
