// A peer made of a plain socket and the codec: says exactly what a test wants it to say.
#pragma once

#include "frame_reader.hpp"
#include "hello.hpp"
#include "message.hpp"
#include "rig.hpp"

namespace rig {

namespace vlk = sigrun::valkyrie;

struct raw_listener {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::string uri;
    explicit raw_listener(bool listening = true) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t n = sizeof a;
        EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&a), n), 0);
        if (listening) {
            EXPECT_EQ(listen(fd, 16), 0);
        }
        EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n), 0);
        uri = sdk::concat("valkyrie://127.0.0.1:", ntohs(a.sin_port));
    }
    ~raw_listener() { ::close(fd); }
};

inline std::string call_frame(std::uint32_t stream, std::string_view method) {
    vlk::byte_buffer out;
    sigrun_call c{sizeof c, 0, str(method), str(""), str("{}"), str(""), nullptr, 0};
    EXPECT_FALSE(vlk::encode_call(out, {stream, 0}, c, 0, {}));
    return std::string(out.view());
}

class raw_peer {
public:
    /// Takes over a connected, blocking socket.
    explicit raw_peer(int fd) : fd_(fd) {
        timeval limit{10, 0};
        setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    static raw_peer dial(const std::string& uri) {
        auto port = static_cast<std::uint16_t>(std::stoi(uri.substr(uri.rfind(':') + 1)));
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.sin_port = htons(port);
        EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
        return raw_peer(fd);
    }
    static raw_peer accept_from(const raw_listener& at) {
        return raw_peer(accept4(at.fd, nullptr, nullptr, SOCK_CLOEXEC));
    }
    raw_peer(raw_peer&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
    ~raw_peer() { close(); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    void say(std::string_view bytes) {
        while (!bytes.empty()) {
            auto n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    void say(std::uint8_t type, std::uint16_t flags, std::uint32_t stream, std::string_view body) {
        char head[vlk::k_header_size];
        vlk::write_header(head, {static_cast<std::uint32_t>(body.size()), type, 0, flags, stream});
        say(std::string(head, sizeof head) + std::string(body));
    }
    void greet(const vlk::hello& mine = {}) {
        vlk::byte_buffer out;
        vlk::encode_preface(out);
        vlk::encode_hello(out, mine);
        say(out.view());
    }
    std::string hear(std::size_t n) {
        std::string out;
        while (out.size() < n) {
            char room[4096];
            auto got = recv(fd_, room, std::min(sizeof room, n - out.size()), 0);
            if (got <= 0) return out;
            out.append(room, static_cast<std::size_t>(got));
        }
        return out;
    }
    /// The peer's HELLO, after its preface.
    vlk::hello hear_hello() {
        EXPECT_FALSE(vlk::check_preface(hear(vlk::k_preface_size)));
        vlk::hello h;
        std::string body;
        EXPECT_EQ(hear_frame(body).type, vlk::type::hello);
        EXPECT_FALSE(vlk::decode_hello(body, h));
        h.agent = {};
        return h;
    }
    /// Type 255 at the end of the connection.
    vlk::frame_header hear_frame(std::string& body) {
        auto head = hear(vlk::k_header_size);
        if (head.size() < vlk::k_header_size) return {0, 255, 0, 0, 0};
        auto h = vlk::read_header(head.data());
        body = hear(h.length);
        return h;
    }
    /// The code of the GOAWAY that comes, skipping other frames; ~0 if the connection ends without one.
    std::uint64_t hear_goaway() {
        for (std::string body;;) {
            auto h = hear_frame(body);
            if (h.type == 255) return ~std::uint64_t{0};
            vlk::reason_message reason;
            if (h.type == vlk::type::goaway && !vlk::decode_reason(body, reason)) return reason.code;
        }
    }
    /// Answers the dialler's HELLO.
    void accept_handshake() {
        auto theirs = hear_hello();
        vlk::hello mine;
        EXPECT_FALSE(vlk::answer_hello(theirs, mine));
        greet(mine);
    }
    void dial_handshake() {
        greet();
        hear_hello();
    }

private:
    int fd_;
};

}  // namespace rig
