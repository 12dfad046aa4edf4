// Two plugin instances over TCP loopback against a raw TCP ping-pong in the same run. The dialler sends a
// frame from its own I/O thread when the answer to the last one arrives; the acceptor answers from its I/O
// thread.
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/protocol.h>

#include <benchmark/benchmark.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

namespace {

using namespace sigrun;
using sdk::str;
using steady = std::chrono::steady_clock;

struct pair_of_sockets {
    int listener = -1;
    std::uint16_t port = 0;
    pair_of_sockets() {
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t n = sizeof a;
        if (bind(listener, reinterpret_cast<sockaddr*>(&a), n) || listen(listener, 8) ||
            getsockname(listener, reinterpret_cast<sockaddr*>(&a), &n))
            throw std::runtime_error("no listener");
        port = ntohs(a.sin_port);
    }
    ~pair_of_sockets() { close(listener); }
    int dial() const {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.sin_port = htons(port);
        if (connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a)) throw std::runtime_error("no connection");
        no_delay(fd);
        return fd;
    }
    int take() const {
        int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        no_delay(fd);
        return fd;
    }
    static void no_delay(int fd) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
};

/// Nanoseconds per round trip of 64 bytes between two blocking sockets.
double raw_ping_pong(int rounds) {
    pair_of_sockets both;
    std::thread echo([&] {
        int fd = both.take();
        char room[64];
        while (recv(fd, room, sizeof room, MSG_WAITALL) == sizeof room) send(fd, room, sizeof room, MSG_NOSIGNAL);
        close(fd);
    });
    int fd = both.dial();
    char room[64] = {};
    auto once = [&] {
        if (send(fd, room, sizeof room, MSG_NOSIGNAL) < 0) std::abort();
        if (recv(fd, room, sizeof room, MSG_WAITALL) < 0) std::abort();
    };
    for (int i = 0; i < rounds / 10; ++i) once();
    auto begin = steady::now();
    for (int i = 0; i < rounds; ++i) once();
    auto took = std::chrono::duration<double, std::nano>(steady::now() - begin).count();
    close(fd);
    echo.join();
    return took / rounds;
}

/// A link between two instances: what `dialled` sends as OFFER comes back as STATE.
struct rig {
    sdk::recording_sink unused;
    sigrun_link* server_link = nullptr;
    sigrun_link* link = nullptr;
    sigrun_sink server_sink{sizeof(sigrun_sink), 0, this, &on_offer};
    sigrun_sink client_sink{sizeof(sigrun_sink), 0, this, &on_state};
    std::mutex mutex;
    std::condition_variable changed;
    bool adopted = false, done = false;
    int left = 0;
    pair_of_sockets sockets;
    sdk::mock_host server, client;
    const sigrun_protocol *server_table = nullptr, *client_table = nullptr;

    rig() {
        server.on_call = [](std::uint64_t, const sigrun_call& c, const sigrun_sink& replies, std::uint64_t*,
                            sigrun_error*) {
            sigrun_frame f{};
            f.struct_size = sizeof f;
            f.kind = SIGRUN_REPLY;
            f.flags = SIGRUN_FRAME_LAST | (sdk::view(c.method) == "link" ? std::uint32_t{SIGRUN_FRAME_LINK} : 0u);
            f.json = str(R"({"ticket":"t"})");
            return replies.on_frame(replies.ctx, &f);
        };
        server.on_adopt = [this](std::uint64_t, std::string_view, sigrun_link* made, const sigrun_sink** frames,
                                 sigrun_error*) {
            std::lock_guard lock(mutex);
            server_link = made;
            *frames = &server_sink;
            adopted = true;
            changed.notify_all();
            return sigrun_result{SIGRUN_OK};
        };
        auto* s = server.start(server.create("valkyrie"));
        auto* c = client.start(client.create("valkyrie"));
        server_table = static_cast<const sigrun_protocol*>(s->get_interface(s, str(SIGRUN_KIND_PROTOCOL)));
        client_table = static_cast<const sigrun_protocol*>(c->get_interface(c, str(SIGRUN_KIND_PROTOCOL)));
        std::thread accepting([&] {
            sigrun_accept a{};
            a.struct_size = sizeof a;
            a.fd = sockets.take();
            a.session = 1;
            server_table->serve->on_accept(s, &a, server.mint());
        });
        auto uri = sdk::concat("valkyrie://127.0.0.1:", sockets.port);
        sigrun_endpoint to{sizeof to, 0, str(uri), str(""), str(""), 0};
        auto op = client.mint();
        client_table->dial->open(c, &to, &client_sink, op, &link);
        accepting.join();
        if (client.wait(op).result != SIGRUN_OK) throw std::runtime_error("no link");
        sigrun_call call{sizeof call, 0, str("link"), str(""), str(""), str(""), nullptr, 0};
        op = client.mint();
        client_table->link->call(link, &call, unused.abi(), op);
        client.wait(op);
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return adopted; });
    }
    ~rig() {
        auto op = client.mint();
        client_table->link->close(link, SIGRUN_OK, op);
        client.wait(op);
        op = server.mint();
        server_table->link->close(server_link, SIGRUN_OK, op);
        server.wait(op);
    }

    static sigrun_attempt attempt() {
        return {sizeof(sigrun_attempt), 1, str("0190a6b2-7c4e-7d3f-8a1b-2c3d4e5f6071"), str("17-1")};
    }
    void send_offer() {
        auto a = attempt();
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_OFFER;
        f.attempt = &a;
        f.json = str(R"({"kind":"call"})");
        client_table->link->execute(link, &f);
    }
    static sigrun_result on_offer(void* self, const sigrun_frame* offer) noexcept {
        auto& me = *static_cast<rig*>(self);
        if (offer->kind != SIGRUN_OFFER) return SIGRUN_OK;
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_STATE;
        f.flags = SIGRUN_FRAME_LAST;
        f.attempt = offer->attempt;
        return me.server_table->link->send(me.server_link, &f);
    }
    static sigrun_result on_state(void* self, const sigrun_frame* state) noexcept {
        auto& me = *static_cast<rig*>(self);
        if (state->kind != SIGRUN_STATE) return SIGRUN_OK;
        if (me.left > 0) {
            --me.left;
            me.send_offer();
        } else if (++me.returned == me.outstanding) {
            std::lock_guard lock(me.mutex);
            me.done = true;
            me.changed.notify_all();
        }
        return SIGRUN_OK;
    }
    int outstanding = 1, returned = 0;
    std::atomic<bool> sent{false};

    /// Nanoseconds for `rounds` round trips with `window` of them outstanding.
    double run(int rounds, int window) {
        outstanding = window;
        returned = 0;
        left = rounds - window;
        done = false;
        auto begin = steady::now();
        for (int i = 0; i < window; ++i) send_offer();
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return done; });
        return std::chrono::duration<double, std::nano>(steady::now() - begin).count();
    }
};

/// Round trips of PING while the same connection carries 1 GiB of log frames as fast as it can.
void ping_during_log_transfer(benchmark::State& loop) {
    rig r;
    constexpr std::uint64_t k_total = 1ull << 30;
    sdk::buffer piece(r.client.get(), std::string(SIGRUN_LOG_MAX, 'x'));
    std::vector<double> samples;
    double seconds = 0;
    for (auto _ : loop) {
        auto begin = steady::now();
        std::thread logs([&] {
            auto a = rig::attempt();
            sigrun_frame f{};
            f.struct_size = sizeof f;
            f.kind = SIGRUN_LOG;
            f.attempt = &a;
            f.payload = piece.get();
            for (std::uint64_t at = 0; at < k_total;) {
                f.offset = at;
                if (r.client_table->link->send(r.link, &f) == SIGRUN_OK)
                    at += SIGRUN_LOG_MAX;
                else
                    std::this_thread::sleep_for(std::chrono::microseconds(500));
            }
            r.sent = true;
        });
        while (!r.sent) {
            auto op = r.client.mint();
            r.client_table->link->ping(r.link, op);
            auto text = r.client.wait(op).text;
            samples.push_back(std::stod(text.substr(text.find(':') + 1)) / 1000);
        }
        r.sent = false;
        logs.join();
        seconds += std::chrono::duration<double>(steady::now() - begin).count();
    }
    std::sort(samples.begin(), samples.end());
    loop.counters["ping_us_p50"] = samples[samples.size() / 2];
    loop.counters["ping_us_p99"] = samples[samples.size() * 99 / 100];
    loop.counters["log_MiB_per_s"] = static_cast<double>(loop.iterations()) * (k_total >> 20) / seconds;
}
BENCHMARK(ping_during_log_transfer)->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();

void ping_pong(benchmark::State& loop) {
    rig r;
    constexpr int k_rounds = 2000;
    double ours = 0, raw = 0;
    r.run(k_rounds, 1);
    for (auto _ : loop) {
        raw += raw_ping_pong(k_rounds);
        ours += r.run(k_rounds, 1) / k_rounds;
    }
    auto n = static_cast<double>(loop.iterations());
    loop.counters["us_per_round_trip"] = ours / n / 1000;
    loop.counters["us_raw_tcp"] = raw / n / 1000;
    loop.counters["ratio_to_raw"] = ours / raw;
}
BENCHMARK(ping_pong)->Unit(benchmark::kMillisecond)->Iterations(20);

void with_512_outstanding(benchmark::State& loop) {
    rig r;
    constexpr int k_rounds = 100'000;
    double took = 0;
    for (auto _ : loop) took += r.run(k_rounds, 512);
    loop.counters["round_trips_per_s"] = static_cast<double>(loop.iterations()) * k_rounds / took * 1e9;
}
BENCHMARK(with_512_outstanding)->Unit(benchmark::kMillisecond)->Iterations(5);

}  // namespace
