// The rig of two instances, for this plugin, and a client that writes WebSocket frames by hand.
#pragma once

#include "unit/plugins/protocols/pair/rig.hpp"

#include <boost/json.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace rig {

inline std::string upgrade_request(std::string_view headers = "Sec-WebSocket-Protocol: sigrun.v1\r\n",
                                   std::string_view target = "/v1/session", std::string_view version = "13") {
    return sdk::concat("GET ", target,
                       " HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: ",
                       version, "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", headers, "\r\n");
}

/// One frame as it was on the wire.
struct heard_frame {
    unsigned opcode = 0;  // 16 = the connection ended
    bool fin = false;
    unsigned reserved = 0;
    std::string payload;
    /// Of a close frame.
    unsigned code() const {
        if (opcode != 8 || payload.size() < 2) return 0;
        return static_cast<unsigned char>(payload[0]) * 256u + static_cast<unsigned char>(payload[1]);
    }
};

class raw_client {
public:
    static raw_client dial(const controller& to) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(static_cast<std::uint16_t>(std::stoi(to.uri.substr(to.uri.rfind(':') + 1))));
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a)) throw std::runtime_error("connect");
        return raw_client(fd);
    }
    /// With an upgrade that went well.
    static raw_client open(const controller& to, std::string_view headers = "Sec-WebSocket-Protocol: sigrun.v1\r\n") {
        auto c = dial(to);
        c.say(upgrade_request(headers));
        const auto head = c.hear_head();
        if (head.substr(0, 12) != "HTTP/1.1 101") throw std::runtime_error(head);
        return c;
    }
    explicit raw_client(int fd) : fd_(fd) {}
    raw_client(raw_client&& o) noexcept : fd_(std::exchange(o.fd_, -1)), in_(std::move(o.in_)) {}
    ~raw_client() { close(); }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    void end_writing() { shutdown(fd_, SHUT_WR); }
    int fd() const { return fd_; }

    void say(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;  // what the peer said last is what the test looks at
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    /// `first`: the first byte, i.e. FIN, reserved bits and opcode.
    static std::string frame(unsigned first, std::string_view payload, bool masked = true) {
        std::string out(1, static_cast<char>(first));
        const auto n = payload.size();
        const unsigned mask = masked ? 0x80 : 0;
        if (n < 126) {
            out += static_cast<char>(mask | n);
        } else if (n < 65536) {
            out += static_cast<char>(mask | 126);
            out += static_cast<char>(n >> 8);
            out += static_cast<char>(n);
        } else {
            out += static_cast<char>(mask | 127);
            for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(n >> shift);
        }
        if (!masked) return out + std::string(payload);
        constexpr std::string_view k_key = "\x12\x34\x56\x78";
        out += k_key;
        for (std::size_t i = 0; i < n; ++i) out += static_cast<char>(payload[i] ^ k_key[i % 4]);
        return out;
    }
    void say_frame(unsigned first, std::string_view payload = {}) { say(frame(first, payload)); }
    void say_text(std::string_view text) { say_frame(0x81, text); }

    std::string hear_head() {
        while (in_.find("\r\n\r\n") == std::string::npos)
            if (!more()) break;
        const auto end = std::min(in_.size(), in_.find("\r\n\r\n") + 4);
        auto head = in_.substr(0, end);
        in_.erase(0, end);
        return head;
    }
    /// Everything until the peer's end.
    std::string hear_all() {
        while (more()) continue;
        return std::exchange(in_, {});
    }
    heard_frame hear() {
        heard_frame f;
        if (!need(2)) return ended();
        const auto first = static_cast<unsigned char>(in_[0]);
        f.fin = first & 0x80;
        f.reserved = (first >> 4) & 7u;
        f.opcode = first & 15u;
        if (in_[1] & 0x80) throw std::runtime_error("a server must not mask");
        std::size_t size = static_cast<unsigned char>(in_[1]) & 127u, head = 2;
        const std::size_t more_bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
        if (more_bytes) {
            if (!need(head + more_bytes)) return ended();
            size = 0;
            for (std::size_t i = 0; i < more_bytes; ++i) size = size << 8 | static_cast<unsigned char>(in_[head + i]);
            head += more_bytes;
        }
        if (!need(head + size)) return ended();
        f.payload = in_.substr(head, size);
        in_.erase(0, head + size);
        return f;
    }
    /// The next close frame or the end, whatever comes before.
    heard_frame hear_close() {
        for (;;) {
            auto f = hear();
            if (f.opcode == 8 || f.opcode == 16) return f;
        }
    }
    /// A text message that may have come in fragments, as JSON.
    boost::json::object hear_json() {
        std::string text;
        for (;;) {
            auto f = hear();
            if (f.opcode > 2) throw std::runtime_error(sdk::concat("no message came, but opcode ", f.opcode));
            text += f.payload;
            if (f.fin) return boost::json::parse(text).as_object();
        }
    }

private:
    static heard_frame ended() {
        heard_frame f;
        f.opcode = 16;
        return f;
    }
    bool need(std::size_t n) {
        while (in_.size() < n)
            if (!more()) return false;
        return true;
    }
    bool more() {
        pollfd p{fd_, POLLIN, 0};
        if (poll(&p, 1, 10000) != 1) throw std::runtime_error("nothing came within 10 s");
        char room[65536];
        const auto n = recv(fd_, room, sizeof room, 0);
        if (n <= 0) return false;
        in_.append(room, static_cast<std::size_t>(n));
        return true;
    }
    int fd_;
    std::string in_;
};

/// Forgets the host's op of a connection that was refused.
inline void forget_last(controller& server) {
    std::lock_guard lock(server.mutex);
    server.host.forget(server.lifetimes.back());
    server.lifetimes.pop_back();
}

}  // namespace rig
