#include "conversation.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <random>
#include <sstream>

namespace sigrun::check {
namespace {

constexpr std::size_t k_enough = 1u << 20;

// What arrives until the other side closes or is silent for so long.
void listen(int fd, std::string& into, int silence_ms) {
    char chunk[4096];
    for (;;) {
        pollfd one{fd, POLLIN, 0};
        if (::poll(&one, 1, silence_ms) <= 0) return;
        const ssize_t n = ::recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n <= 0) return;
        if (into.size() < k_enough) into.append(chunk, static_cast<std::size_t>(n));
    }
}

// False: the other side has closed.
bool say(int fd, std::string_view bytes, std::string& heard) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
        } else {
            pollfd one{fd, POLLOUT, 0};
            if (::poll(&one, 1, 2000) <= 0 || (one.revents & (POLLERR | POLLHUP))) return false;
        }
        listen(fd, heard, 0);
    }
    return true;
}

sigrun_result give(rig& r, sigrun_instance* instance, const sigrun_serve& serve, int fd, sigrun_op lifetime) {
    static std::atomic<std::uint64_t> session{0};
    sigrun_accept accept{};
    accept.struct_size = sizeof accept;
    accept.fd = fd;
    accept.flags = SIGRUN_ACCEPT_UNIX;
    accept.uid = ::getuid();
    accept.session = ++session;
    accept.peer = accept.local = sdk::str("unix");
    sigrun_result result = SIGRUN_OK;
    r.host().io("serve.on_accept", [&] { result = serve.on_accept(instance, &accept, lifetime); });
    if (result < 0) {
        r.host().forget(lifetime);
        ::close(fd);
    }
    return result;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> corpus_of(const arguments& args) {
    std::vector<std::pair<std::string, std::string>> out{
        {"HTTP GET", "GET /v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n"},
        {"HTTP POST", "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"},
        {"HTTP HEAD", "HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n"},
        {"WebSocket",
         "GET /v1/session HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
        {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
        {"Valkyrie preface", std::string("\x9dVLK1\r\n\x1a\x01\0\0\0", 12)},
        {"TLS ClientHello", std::string("\x16\x03\x01\0\xc8\x01\0\0\xc4\x03\x03", 11) + std::string(194, '\x11')},
        {"SSH", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"},
        {"SMTP", "EHLO localhost\r\n"},
        {"Redis", "*1\r\n$4\r\nPING\r\n"},
        {"MQTT", std::string("\x10\x0c\0\4MQTT\4\2\0\x3c\0\0", 14)},
        {"JSON line", "{\"command\":[\"true\"]}\n"},
        {"text line", "echo hello\n"}};
    for (const auto& path : args.corpus) {
        std::ifstream in(path, std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        out.emplace_back(path, text.str());
    }
    return out;
}

sigrun_result recognise(rig& r, sigrun_instance* instance, const sigrun_serve& serve, std::string_view first) {
    const guarded_bytes exact(first.data(), first.size());
    sigrun_result result = SIGRUN_OK;
    r.host().io("serve.recognise", [&] { result = serve.recognise(instance, {exact.data(), exact.size()}, 0); });
    return result;
}

conversation_end converse(rig& r, sigrun_instance* instance, const sigrun_serve& serve, std::string_view bytes,
                          manner how) {
    conversation_end end;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return end;
    const auto lifetime = r.host().mint("serve.on_accept");
    if (give(r, instance, serve, ends[1], lifetime) < 0) {
        ::close(ends[0]);
        return end;
    }
    end.accepted = true;
    const int me = ends[0];
    switch (how) {
        case manner::silent: break;
        case manner::whole:
        case manner::half_close: say(me, bytes, end.reply); break;
        case manner::twice: say(me, std::string(bytes) + std::string(bytes), end.reply); break;
        case manner::byte_by_byte:
            for (char c : bytes)
                if (!say(me, {&c, 1}, end.reply)) break;
            break;
        case manner::then_garbage: {
            std::mt19937_64 random(r.in().args.seed);
            std::string garbage(bytes);
            for (int i = 0; i < 16'384; ++i) garbage += static_cast<char>(random());
            say(me, garbage, end.reply);
            break;
        }
    }
    if (how == manner::half_close) ::shutdown(me, SHUT_WR);
    if (how != manner::silent) listen(me, end.reply, how == manner::half_close ? 1000 : 100);
    ::close(me);
    end.lifetime_ended = r.host().wait(lifetime).done;
    return end;
}

int stay_connected(rig& r, sigrun_instance* instance, const sigrun_serve& serve, sigrun_op* lifetime) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return -1;
    *lifetime = r.host().mint("serve.on_accept");
    if (give(r, instance, serve, ends[1], *lifetime) >= 0) return ends[0];
    ::close(ends[0]);
    return -1;
}

}  // namespace sigrun::check
