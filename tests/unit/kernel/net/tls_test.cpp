// TLS of both sides against each other over real sockets: who is believed, what is agreed on, how it ends, what is carried.
#include "dial_rig.hpp"
#include "kernel/net/tls_server.hpp"

#include <poll.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace sigrun::net_test {
namespace {

std::string certificates() {
    static const std::string dir = [] {
        const std::string made = std::string(SIGRUN_BUILD_DIR) + "/tests/certificates";
        const auto command = std::string(SIGRUN_SOURCE_DIR) + "/tests/fixtures/tls/make_certificates.sh " + made;
        if (std::system(("flock " + std::string(SIGRUN_BUILD_DIR) + "/tests " + command).c_str()) != 0)
            throw std::runtime_error("make_certificates.sh failed");
        return made;
    }();
    return dir;
}
std::string pem(const std::string& name) { return certificates() + "/" + name + ".pem"; }
std::string key(const std::string& name) { return certificates() + "/" + name + ".key"; }

/// A listening socket whose connections are taken by a tls_server.
struct tls_ear {
    explicit tls_ear(const std::string& name = "server", std::vector<std::string> alpn = {}) {
        options.certificate = pem(name);
        options.key = key(name);
        sut.set_protocols(std::move(alpn));
    }
    ~tls_ear() {
        ::shutdown(server.fd.get(), SHUT_RDWR);
        if (thread.joinable()) thread.join();
        sut.stop();
    }
    void start(std::chrono::milliseconds time = 5s) {
        auto used = sut.configure(options);
        ASSERT_TRUE(used) << used.error().text();
        thread = std::thread([this, time] {
            for (;;) {
                auto fd = server.accept();
                if (!fd) return;
                ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
                sut.accept(std::move(fd), std::chrono::steady_clock::now() + time, [this](result<tls_accepted> got) {
                    std::lock_guard lock(mutex);
                    taken.push_back(std::move(got));
                    changed.notify_all();
                });
            }
        });
    }
    result<tls_accepted> next() {
        std::unique_lock lock(mutex);
        if (!changed.wait_for(lock, 10s, [&] { return !taken.empty(); }))
            return make_problem(errc::timeout, "nothing was accepted");
        auto out = std::move(taken.front());
        taken.erase(taken.begin());
        return out;
    }

    ear server;
    metrics numbers;
    std::atomic<int> reloads{0}, refusals{0};
    tls_server sut{numbers, {[this](const result<void>& r) { ++(r ? reloads : refusals); }}};
    tls_server_options options;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<result<tls_accepted>> taken;
    std::thread thread;
};

net_options believing(const std::string& ca = "ca") {
    net_options o;
    o.policy.tls.ca = pem(ca);
    return o;
}
dial_request tls_target(const ear& server, const std::string& host = "127.0.0.1") {
    auto to = target(server.at(host));
    to.tls = true;
    return to;
}

void wait_for_bytes(int fd) {
    pollfd p{fd, POLLIN, 0};
    ASSERT_EQ(::poll(&p, 1, 10'000), 1);
}
/// Everything until the end.
std::string read_all(int fd) {
    std::string out;
    char room[65536];
    for (;;) {
        const auto n = ::recv(fd, room, sizeof room, 0);
        if (n > 0) out.append(room, static_cast<std::size_t>(n));
        if (n == 0) return out;
        if (n < 0 && errno != EAGAIN) return out + " and " + std::strerror(errno);
        if (n < 0) {
            pollfd p{fd, POLLIN, 0};
            if (::poll(&p, 1, 10'000) != 1) return out + " and silence";
        }
    }
}
void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
        if (n < 0 && errno != EAGAIN) return;
        if (n < 0) {
            pollfd p{fd, POLLOUT, 0};
            if (::poll(&p, 1, 10'000) != 1) return;
        }
    }
}

TEST(tls, bytes_go_both_ways_and_each_side_can_end_alone) {
    tls_ear server;
    server.start();
    network net(believing());
    auto got = dial_now(net, tls_target(server.server));
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_TRUE(got->tls);
    EXPECT_EQ(got->alpn, "");
    auto peer = server.next();
    ASSERT_TRUE(peer) << peer.error().text();
    EXPECT_EQ(peer->name, "");
    write_all(got->fd.get(), "a question");
    ::shutdown(got->fd.get(), SHUT_WR);
    EXPECT_EQ(read_all(peer->fd.get()), "a question");
    write_all(peer->fd.get(), "an answer after the end of the question");
    peer->fd.reset();
    EXPECT_EQ(read_all(got->fd.get()), "an answer after the end of the question");
}

TEST(tls, a_large_answer_waits_for_a_slow_reader_and_arrives_whole) {
    tls_ear server;
    server.start();
    network net(believing());
    auto got = dial_now(net, tls_target(server.server));
    ASSERT_TRUE(got) << got.error().text();
    auto peer = server.next();
    ASSERT_TRUE(peer);
    std::string large;
    for (int i = 0; large.size() < (16u << 20); ++i) large += std::to_string(i);
    std::thread writer([&] {
        write_all(peer->fd.get(), large);
        peer->fd.reset();
    });
    wait_for_bytes(got->fd.get());
    EXPECT_EQ(read_all(got->fd.get()) == large, true);
    writer.join();
}

TEST(tls, closing_ends_the_connection_of_both_and_nothing_is_left) {
    tls_ear server;
    server.start();
    network net(believing());
    for (int i = 0; i < 20; ++i) {
        auto got = dial_now(net, tls_target(server.server));
        ASSERT_TRUE(got) << got.error().text();
        auto peer = server.next();
        ASSERT_TRUE(peer);
        (i % 2 ? got->fd : peer->fd).reset();
        EXPECT_EQ(read_all((i % 2 ? peer->fd : got->fd).get()), "");
    }
    const auto until = std::chrono::steady_clock::now() + 10s;
    while ((net.encrypted() || server.sut.open()) && std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
    EXPECT_EQ(net.encrypted(), 0u);
    EXPECT_EQ(server.sut.open(), 0u);
}

TEST(tls, a_certificate_that_proves_nothing_is_refused_with_the_reason) {
    for (const auto& [name, why] :
         {std::pair("expired", "expired"), std::pair("self", "self-signed"), std::pair("wrong", "mismatch")}) {
        tls_ear server(name);
        server.start();
        network net(believing());
        const auto got = dial_now(net, tls_target(server.server));
        ASSERT_FALSE(got) << name;
        EXPECT_EQ(got.error().code, errc::forbidden) << name;
        EXPECT_NE(got.error().text().find(why), std::string::npos) << got.error().text();
        EXPECT_NE(got.error().text().find(server.server.at()), std::string::npos) << got.error().text();
        EXPECT_FALSE(server.next());
    }
    tls_ear server;
    server.start();
    network strangers(believing("unknown_ca"));
    EXPECT_EQ(dial_now(strangers, tls_target(server.server)).error().code, errc::forbidden);
    network system_only;  // our authority is none of the system's
    EXPECT_EQ(dial_now(system_only, tls_target(server.server)).error().code, errc::forbidden);
}

TEST(tls, the_endpoint_may_name_authority_and_server) {
    tls_ear wrong("wrong");
    wrong.start();
    network net;
    auto to = tls_target(wrong.server);
    to.options = R"({"tls":{"ca":")" + pem("ca") + R"(","server_name":"other.example"},"slots":3})";
    const auto got = dial_now(net, to);
    EXPECT_TRUE(got) << got.error().text();
    for (const auto& [options, field] :
         {std::pair(R"({"tls":{"verify":"no"}})", "options.tls.verify"),
          std::pair(R"({"tls":{"ca":1}})", "options.tls.ca"), std::pair(R"({"tls":"off"})", "options.tls")}) {
        to.options = options;
        const auto refused = net.dial(to, [](result<dialled>) { FAIL(); });
        ASSERT_FALSE(refused) << options;
        EXPECT_EQ(refused.error().field, field);
    }
    to.options = R"({"tls":{"ca":"/no/such/file"}})";
    const auto missing = dial_now(net, to);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().field, "tls.ca");
    EXPECT_NE(missing.error().text().find("/no/such/file"), std::string::npos);
}

TEST(tls, alpn_is_agreed_on_or_there_is_no_connection) {
    tls_ear server("server", {"valkyrie/1", "h2", "http/1.1"});
    server.start();
    network net(believing());
    auto to = tls_target(server.server);
    to.alpn = "h2,valkyrie/1";
    auto got = dial_now(net, to);
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->alpn, "valkyrie/1") << "the server's order decides";
    EXPECT_EQ(server.next()->alpn, "valkyrie/1");
    to.alpn = "spdy/3";
    EXPECT_EQ(dial_now(net, to).error().code, errc::io);
    EXPECT_FALSE(server.next());
    to.alpn = "";
    ASSERT_TRUE(dial_now(net, to));
    EXPECT_EQ(server.next()->alpn, "");
    tls_ear without;  // knows nothing of ALPN
    without.start();
    auto insisting = tls_target(without.server);
    insisting.alpn = "valkyrie/1";
    const auto refused = dial_now(net, insisting);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text().find("ALPN"), std::string::npos) << refused.error().text();
    to.alpn = ",";
    EXPECT_FALSE(net.dial(to, [](result<dialled>) { FAIL(); }));
}

TEST(tls, a_clients_certificate_has_a_name_if_somebody_believed_signed_it) {
    tls_ear server;
    server.options.client_ca = pem("ca");
    server.options.client_auth = tls_server_options::required;
    server.start();
    auto o = believing();
    o.policy.tls.certificate = pem("client");
    o.policy.tls.key = key("client");
    network net(o);
    auto got = dial_now(net, tls_target(server.server));
    ASSERT_TRUE(got) << got.error().text();
    auto peer = server.next();
    ASSERT_TRUE(peer) << peer.error().text();
    EXPECT_EQ(peer->name, "build-7");

    auto to = tls_target(server.server);
    to.options = R"({"tls":{"certificate":")" + pem("stranger") + R"(","key":")" + key("stranger") + R"("}})";
    (void)dial_now(net, to);  // in TLS 1.3 the client hears of it only afterwards
    EXPECT_EQ(server.next().error().code, errc::forbidden);
    network bare(believing());
    (void)dial_now(bare, tls_target(server.server));
    EXPECT_FALSE(server.next());
}

TEST(tls, a_key_that_others_can_read_is_not_used) {
    const auto dir = std::filesystem::temp_directory_path() / ("sigrun-tls-" + std::to_string(getpid()));
    std::filesystem::create_directories(dir);
    std::filesystem::copy_file(key("server"), dir / "open.key", std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(dir / "open.key", std::filesystem::perms(0644));
    tls_server_options o;
    o.certificate = pem("server");
    o.key = (dir / "open.key").string();
    const auto refused = make_server_context(o, {});
    std::filesystem::remove_all(dir);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "tls.key");
    o.key = key("wrong");
    EXPECT_EQ(make_server_context(o, {}).error().field, "tls.key") << "another certificate's key";
    o.key = "";
    EXPECT_EQ(make_server_context(o, {}).error().field, "tls.key");
    o.client_auth = tls_server_options::required;
    o.key = key("server");
    EXPECT_EQ(make_server_context(o, {}).error().field, "tls.client_ca");
}

TEST(tls, a_slow_or_silent_client_is_closed_at_its_deadline_and_holds_up_nobody) {
    tls_ear server;
    server.start(300ms);
    std::vector<unique_fd> silent;
    for (int i = 0; i < 200; ++i) {
        unique_fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        auto a = numeric_address(*parse_net_address(server.server.at()));
        ASSERT_EQ(::connect(fd.get(), a.get(), a.size), 0);
        write_all(fd.get(), std::string_view("\x16\x03\x01\x02\x00\x01", 6));
        silent.push_back(std::move(fd));
    }
    network net(believing());
    auto got = dial_now(net, tls_target(server.server));
    ASSERT_TRUE(got) << got.error().text();
    int late = 0, good = 0;
    for (int i = 0; i < 201; ++i) {
        auto one = server.next();
        if (one)
            ++good;
        else if (one.error().code == errc::timeout)
            ++late;
    }
    EXPECT_EQ(good, 1);
    EXPECT_EQ(late, 200);
    for (const auto& fd : silent) EXPECT_EQ(read_all(fd.get()), "");
}

TEST(tls, a_new_certificate_is_taken_by_itself_and_a_bad_one_is_not) {
    const auto dir = std::filesystem::temp_directory_path() / ("sigrun-tls-reload-" + std::to_string(getpid()));
    std::filesystem::create_directories(dir);
    auto put = [&](const std::string& name) {
        for (const auto& [from, to] : {std::pair(key(name), dir / "key"), std::pair(pem(name), dir / "pem")}) {
            const auto fresh = to.string() + ".new";
            std::filesystem::copy_file(from, fresh, std::filesystem::copy_options::overwrite_existing);
            std::filesystem::permissions(fresh, std::filesystem::perms(0600));
            std::filesystem::rename(fresh, to);
        }
    };
    put("server");
    tls_ear server;
    server.options.certificate = (dir / "pem").string();
    server.options.key = (dir / "key").string();
    server.start();
    network net(believing());
    auto before = dial_now(net, tls_target(server.server));
    ASSERT_TRUE(before) << before.error().text();
    auto peer = server.next();
    auto eventually = [](const std::atomic<int>& number) {
        const auto until = std::chrono::steady_clock::now() + 20s;
        while (!number && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
        return number.load();
    };
    std::ofstream(dir / "pem") << "no certificate";
    EXPECT_GE(eventually(server.refusals), 1);
    auto still = dial_now(net, tls_target(server.server));
    EXPECT_TRUE(still) << "the old pair is served on: " << still.error().text();
    (void)server.next();
    put("expired");  // a pair that fits, so that a client can tell that it is another one
    EXPECT_GE(eventually(server.reloads), 1);
    EXPECT_EQ(dial_now(net, tls_target(server.server)).error().code, errc::forbidden);
    write_all(before->fd.get(), "still here");
    ::shutdown(before->fd.get(), SHUT_WR);
    EXPECT_EQ(read_all(peer->fd.get()), "still here") << "connections that are open keep what they began with";
    std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace sigrun::net_test
