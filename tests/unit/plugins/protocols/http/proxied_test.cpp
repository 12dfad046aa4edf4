// Both faces with somebody in between: a proxy puts its own name, its own refusals and its own limits there.
#include "dialler_host.hpp"
#include "served_plugin.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <vector>

namespace sigrun::http::testing {
namespace {
namespace json = boost::json;
using std::chrono::milliseconds;

std::string answer_of(int status, std::string_view type, std::string_view body) {
    return sdk::concat("HTTP/1.1 ", status, " X\r\nServer: nginx/1.22.1\r\nContent-Type: ", type,
                       "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

/// Answers each request by the first row whose text stands in its first line, after so long. Many connections at a time.
class stand_in {
public:
    struct row {
        std::string part, answer;
        milliseconds after{0};
    };
    explicit stand_in(std::vector<row> rows) : rows_(std::move(rows)) {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t n = sizeof a;
        bind(listener_, reinterpret_cast<sockaddr*>(&a), n);
        listen(listener_, 8);
        getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &n);
        port_ = ntohs(a.sin_port);
        accepting_ = std::thread([this] {
            for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
                open_.push_back(fd);
                serving_.emplace_back([this, fd] { serve(fd); });
            }
        });
    }
    ~stand_in() {
        shutdown(listener_, SHUT_RDWR);
        accepting_.join();
        for (const int fd : open_) shutdown(fd, SHUT_RDWR);
        for (auto& t : serving_) t.join();
        for (const int fd : open_) close(fd);
        close(listener_);
    }
    std::string url() const { return sdk::concat("http://127.0.0.1:", port_); }
    /// First lines of the requests that had `part`.
    std::vector<std::string> asked(std::string_view part) {
        std::lock_guard lock(mutex_);
        std::vector<std::string> out;
        for (const auto& line : lines_)
            if (line.find(part) != std::string::npos) out.push_back(line);
        return out;
    }

private:
    void serve(int fd) {
        std::string in;
        char room[4096];
        for (ssize_t n; (n = recv(fd, room, sizeof room, 0)) > 0;) {
            in.append(room, static_cast<std::size_t>(n));
            const auto end = in.find("\r\n\r\n");
            if (end == std::string::npos) continue;
            const auto line = in.substr(0, in.find("\r\n"));
            in.clear();  // bodies are small and come along
            {
                std::lock_guard lock(mutex_);
                lines_.push_back(line);
            }
            for (const auto& r : rows_) {
                if (line.find(r.part) == std::string::npos) continue;
                std::this_thread::sleep_for(r.after);
                if (send(fd, r.answer.data(), r.answer.size(), MSG_NOSIGNAL) < 0) return;
                break;
            }
        }
    }
    const std::vector<row> rows_;
    int listener_;
    std::uint16_t port_ = 0;
    std::thread accepting_;
    std::vector<int> open_;             // of the accepting thread, until it has ended
    std::vector<std::thread> serving_;  // the same
    std::mutex mutex_;
    std::vector<std::string> lines_;
};

const stand_in::row k_version{"/v1/version", answer_of(200, "application/json", R"({"name":"sigrund","version":"1"})")};

TEST(http_proxied, a_daemon_behind_another_server_name_is_known_by_its_answer) {
    dialler_host d;
    struct row {
        int status;
        const char* body;
        bool native;
    };
    const row rows[] = {{200, R"({"name":"sigrund","version":"1"})", true},
                        {200, R"({"name":"sigrun-runner"})", true},
                        {401, R"({"code":"unauthenticated","title":"this daemon asks who calls"})", true},
                        {200, R"({"name":"other"})", false},
                        {200, "{}", false},
                        {200, "sigrund", false},
                        {404, R"({"name":"sigrund"})", false},
                        {401, R"({"error":"who are you"})", false}};
    for (const auto& r : rows) {
        stand_in peer({{"/v1/version", answer_of(r.status, "application/json", r.body)},
                       {" ", answer_of(200, "text/html", "<p>welcome</p>")}});
        EXPECT_EQ(d.open(peer.url()).result, r.native ? SIGRUN_OK : SIGRUN_E_UNSUPPORTED) << r.body;
        if (d.link) d.close();
        const auto found = json::parse(d.detect(peer.url()).text);
        EXPECT_EQ(found.at("native"), r.native && r.status == 200) << r.body;
    }
}

TEST(http_proxied, what_a_proxy_answers_in_the_peers_place_is_a_fault_of_the_way) {
    for (const int status : {408, 502, 503, 504}) {
        stand_in peer({k_version,
                       {"/v1/call/lost", answer_of(status, "text/html", "<h1>Bad Gateway</h1>")},
                       {"/v1/call/refused", answer_of(status, "application/problem+json",
                                                      R"({"code":"unavailable","title":"no store"})")}});
        dialler_host d;
        ASSERT_EQ(d.open(peer.url()).result, SIGRUN_OK);
        sdk::recording_sink none, problem;
        EXPECT_EQ(d.call("lost", "", "{}", none).result, SIGRUN_E_IO) << status;
        EXPECT_TRUE(none.frames().empty());
        EXPECT_EQ(d.call("refused", "", "{}", problem).result, SIGRUN_OK) << status;
        ASSERT_EQ(problem.frames().size(), 1u);
        EXPECT_EQ(json::parse(problem.frames()[0].json).at("code"), "unavailable");
    }
}

TEST(http_proxied, a_poll_that_is_cut_short_is_asked_again_and_hangs_less) {
    const auto linked = R"({"kind":"reply","flags":5,"json":{"ticket":"x"},"session":"abc"})"
                        "\n";
    stand_in peer({k_version,
                   {"/v1/call/runners.register", answer_of(200, "application/x-ndjson", linked)},
                   {"GET /v1/sessions/abc/frames", answer_of(504, "text/html", "timed out"), milliseconds(700)},
                   {"POST /v1/sessions/abc/frames", answer_of(200, "application/json", R"({"ack":0,"busy":false})")},
                   {"DELETE", answer_of(204, "text/plain", "")}});
    dialler_host d;
    ASSERT_EQ(d.open(peer.url()).result, SIGRUN_OK);
    sdk::recording_sink replies;
    ASSERT_EQ(d.call("runners.register", "", "{}", replies).result, SIGRUN_OK);
    const auto began = std::chrono::steady_clock::now();
    std::vector<std::string> polls;
    while ((polls = peer.asked("GET /v1/sessions")).size() < 2 &&
           std::chrono::steady_clock::now() - began < std::chrono::seconds(10))
        std::this_thread::sleep_for(milliseconds(5));
    ASSERT_GE(polls.size(), 2u);
    EXPECT_NE(polls[0].find("wait=20000ms"), std::string::npos) << polls[0];
    const auto at = polls[1].find("wait=");
    ASSERT_NE(at, std::string::npos) << polls[1];
    const auto wait = std::stoi(polls[1].substr(at + 5));
    EXPECT_GE(wait, 500) << polls[1];
    EXPECT_LT(wait, 20'000 / 2) << polls[1];
    EXPECT_TRUE(d.sink.frames().empty()) << "the session lives";
}

TEST(http_proxied, a_websocket_that_comes_over_a_kept_connection_ends_it_without_an_answer) {
    served_plugin sut;
    sut.on("health.live", "{}");
    const std::string upgrade =
        "GET /v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    auto kept = sut.connect();
    kept.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(kept.read_response().status, 200);
    kept.send(upgrade);
    EXPECT_EQ(kept.read_to_end(), "") << "a proxy takes a new connection for it, which begins with the upgrade";
    auto pipelined = sut.connect();
    pipelined.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + upgrade);
    EXPECT_EQ(pipelined.read_response().status, 200) << "what came before is answered";
    EXPECT_EQ(pipelined.read_to_end(), "");
    auto first = sut.connect();
    first.send(upgrade);
    EXPECT_EQ(first.read_response().status, 426) << "here nobody serves it";
}

TEST(http_proxied, a_stream_asks_not_to_be_held_back) {
    served_plugin sut;
    sut.on("a.b", [&](const seen_call& c, sigrun_error*) {
        give_reply(sut.host.get(), c.replies, 0, R"({"n":1})");
        give_reply(sut.host.get(), c.replies, SIGRUN_FRAME_LAST, R"({"n":2})");
        return SIGRUN_OK;
    });
    EXPECT_EQ(sut.post("/v1/call/a.b", "{}").header("X-Accel-Buffering"), "no");
    sut.on("health.live", "{}");
    EXPECT_EQ(sut.get("/healthz").header("X-Accel-Buffering"), "");
}

}  // namespace
}  // namespace sigrun::http::testing
