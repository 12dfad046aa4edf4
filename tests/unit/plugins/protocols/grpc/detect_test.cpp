// What detection finds at peers of every kind.
#include "rig.hpp"

#include <boost/json.hpp>

using namespace rig;

namespace {
/// Listens and answers the first bytes of each connection with a text.
struct scripted {
    std::string answer;
    bool closes;
    int listener;
    std::uint16_t port = 0;
    std::atomic<bool> stopping{false};
    std::thread thread;
    explicit scripted(std::string text, bool close_after = true) : answer(std::move(text)), closes(close_after) {
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t n = sizeof a;
        if (bind(listener, reinterpret_cast<sockaddr*>(&a), n) || listen(listener, 8) ||
            getsockname(listener, reinterpret_cast<sockaddr*>(&a), &n))
            throw std::runtime_error("no listener");
        port = ntohs(a.sin_port);
        thread = std::thread([this] {
            std::vector<int> open;
            for (int fd; (fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
                char room[256];
                if (recv(fd, room, sizeof room, 0) > 0 && !answer.empty())
                    send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
                if (closes)
                    ::close(fd);
                else
                    open.push_back(fd);
            }
            for (int fd : open) ::close(fd);
        });
    }
    ~scripted() {
        shutdown(listener, SHUT_RDWR);
        thread.join();
        ::close(listener);
    }
    std::string uri() const { return sdk::concat("grpc://127.0.0.1:", port); }
};

boost::json::object facts(const sdk::mock_host::outcome& got) {
    EXPECT_EQ(got.result, SIGRUN_OK) << got.text;
    return boost::json::parse(got.text).as_object();
}
}  // namespace

TEST(grpc_detect, our_own_server_with_measured_round_trips) {
    for (bool local : {false, true}) {
        controller c({}, local);
        side k;
        k.start();
        const auto f = facts(k.detect(c.uri, 5000));
        EXPECT_TRUE(f.at("supported").as_bool());
        EXPECT_EQ(f.at("version"), "HTTP/2");
        EXPECT_GT(f.at("latency_us").to_number<double>(), 0);
        EXPECT_GT(f.at("health_us").to_number<double>(), 0);
        EXPECT_EQ(f.at("health"), "SERVING");
        EXPECT_TRUE(f.at("native").as_bool());
        EXPECT_EQ(boost::json::serialize(f.at("features")), R"(["health","sessions"])");
        c.is_ready = false;
        EXPECT_EQ(facts(k.detect(c.uri, 5000)).at("health"), "NOT_SERVING");
        k.stop();
    }
}

TEST(grpc_detect, http1_counts_as_evidence_of_http) {
    scripted s("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    side k;
    k.start();
    const auto f = facts(k.detect(s.uri(), 3000));
    EXPECT_FALSE(f.at("supported").as_bool());
    EXPECT_TRUE(f.at("http1").as_bool());
    EXPECT_NE(std::string(f.at("evidence").as_string()).find("HTTP/1.1 400"), std::string::npos);
    k.stop();
}

TEST(grpc_detect, the_silent_the_closed_and_the_strange) {
    side k;
    k.start();
    {
        scripted silent("", false);
        const auto f = facts(k.detect(silent.uri(), 300));
        EXPECT_FALSE(f.at("supported").as_bool());
        EXPECT_NE(std::string(f.at("evidence").as_string()).find("silent"), std::string::npos) << f.at("evidence");
    }
    {
        scripted gone("");
        EXPECT_FALSE(facts(k.detect(gone.uri(), 3000)).at("supported").as_bool());
    }
    {
        scripted other(
            "SSH-2.0-OpenSSH_9.2\r\nand more that is no frame of HTTP/2 at all, whatever one may think of it");
        const auto f = facts(k.detect(other.uri(), 3000));
        EXPECT_FALSE(f.at("supported").as_bool());
        EXPECT_FALSE(f.contains("reached"));
    }
    {
        // SETTINGS, and then nothing.
        scripted half(std::string("\0\0\0\4\0\0\0\0\0", 9), false);
        const auto f = facts(k.detect(half.uri(), 400));
        EXPECT_FALSE(f.at("supported").as_bool());
        EXPECT_NE(std::string(f.at("evidence").as_string()).find("SETTINGS came"), std::string::npos)
            << f.at("evidence");
    }
    std::uint16_t port;
    { port = scripted("").port; }
    const auto nobody = facts(k.detect(sdk::concat("grpc://127.0.0.1:", port), 3000));
    EXPECT_FALSE(nobody.at("supported").as_bool());
    EXPECT_FALSE(nobody.at("reached").as_bool());
    sdk::recording_sink sink;
    sigrun_link* link = nullptr;
    EXPECT_EQ(k.open(sdk::concat("grpc://127.0.0.1:", port), sink.abi(), &link).result, SIGRUN_E_IO);
    EXPECT_EQ(k.open("grpc://127.0.0.1:0", sink.abi(), &link).result, SIGRUN_E_INVALID);
    {
        scripted http("HTTP/1.1 400 Bad Request\r\n\r\n");
        const auto got = k.open(http.uri(), sink.abi(), &link);
        EXPECT_EQ(got.result, SIGRUN_E_UNSUPPORTED);
        EXPECT_NE(got.text.find("HTTP/1"), std::string::npos) << got.text;
    }
    k.stop();
    EXPECT_EQ(k.host.open_ops(), 0u);
}

namespace {
const sigrun_host* g_inner;
const void* without_net(const sigrun_host*, sigrun_str id) {
    if (sdk::view(id) == SIGRUN_SVC_NET) return nullptr;
    return g_inner->get_service(g_inner, id);
}
}  // namespace

TEST(grpc_detect, a_host_without_the_net_service_gets_a_clear_error) {
    sdk::mock_host host;
    g_inner = host.abi();
    sigrun_host lame = *host.abi();
    lame.get_service = &without_net;
    sigrun_hello hello{sizeof hello, SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, 0, str("t"), str("0")};
    const auto* entry = sigrun_plugin_entry_v1(&hello);
    sdk::mock::config config(*entry->components, {});
    sigrun_instance* instance = nullptr;
    ASSERT_EQ(entry->create(&lame, str("grpc"), config.abi(), &instance, nullptr), SIGRUN_OK);
    ASSERT_EQ(instance->start(instance, nullptr), SIGRUN_OK);
    const auto* table =
        static_cast<const sigrun_protocol*>(instance->get_interface(instance, str(SIGRUN_KIND_PROTOCOL)));
    sigrun_endpoint to{sizeof to, 0, str("grpc://127.0.0.1:1"), str(""), str(""), 0};
    auto op = host.mint();
    ASSERT_EQ(table->dial->detect(instance, &to, in_ms(1000), op), SIGRUN_PENDING);
    auto got = host.wait(op);
    EXPECT_EQ(got.result, SIGRUN_E_UNSUPPORTED);
    EXPECT_NE(got.text.find("sigrun.host.net/1"), std::string::npos);
    sdk::recording_sink sink;
    sigrun_link* link = nullptr;
    op = host.mint();
    ASSERT_EQ(table->dial->open(instance, &to, sink.abi(), op, &link), SIGRUN_PENDING);
    EXPECT_EQ(host.wait(op).result, SIGRUN_E_UNSUPPORTED);
    instance->destroy(instance);
}
