// A plain client socket for tests: sends bytes as they are and reads whole HTTP responses with a deadline.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace sigrun::http::testing {

struct response {
    int status = 0;
    std::string head;
    std::string body;
    std::string header(std::string_view name) const {
        for (std::size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
            const auto line = std::string_view(head).substr(at + 2, head.find("\r\n", at + 2) - at - 2);
            if (line.size() > name.size() && line[name.size()] == ':' &&
                strncasecmp(line.data(), name.data(), name.size()) == 0) {
                auto value = line.substr(name.size() + 1);
                while (!value.empty() && value[0] == ' ') value.remove_prefix(1);
                return std::string(value);
            }
        }
        return {};
    }
};

class raw_socket {
public:
    static raw_socket tcp(std::uint16_t port) {
        raw_socket s;
        s.fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(port);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(s.fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) throw std::runtime_error("connect");
        return s;
    }
    raw_socket(raw_socket&& o) noexcept : fd_(o.fd_), in_(std::move(o.in_)) { o.fd_ = -1; }
    raw_socket& operator=(raw_socket&&) = delete;
    void swap(raw_socket& o) noexcept {
        std::swap(fd_, o.fd_);
        in_.swap(o.in_);
    }
    ~raw_socket() { close(); }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    void shut_writing() { shutdown(fd_, SHUT_WR); }
    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) throw std::runtime_error("the peer took no more bytes");
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    /// False at the end of the stream. Throws when nothing comes before the deadline.
    bool read_some() {
        pollfd p{fd_, POLLIN, 0};
        if (poll(&p, 1, 10000) != 1) throw std::runtime_error("nothing came within 10 s; so far: " + in_);
        char room[65536];
        const auto n = recv(fd_, room, sizeof room, 0);
        if (n <= 0) return false;
        in_.append(room, static_cast<std::size_t>(n));
        return true;
    }
    /// Everything up to and including `mark`, taken from the stream.
    std::string read_until(std::string_view mark) {
        for (;;) {
            const auto at = in_.find(mark);
            if (at != std::string::npos) {
                auto out = in_.substr(0, at + mark.size());
                in_.erase(0, at + mark.size());
                return out;
            }
            if (!read_some()) throw std::runtime_error("the stream ended before the mark; got: " + in_);
        }
    }
    std::string read_exactly(std::size_t n) {
        while (in_.size() < n)
            if (!read_some()) throw std::runtime_error("the stream ended early");
        auto out = in_.substr(0, n);
        in_.erase(0, n);
        return out;
    }
    response read_response(bool head_only = false) {
        response r;
        r.head = read_until("\r\n\r\n");
        r.status = std::stoi(r.head.substr(9, 3));
        if (head_only || r.status == 204 || r.status == 100) return r;
        if (r.header("Transfer-Encoding") == "chunked") {
            for (;;) {
                const auto n = std::stoul(read_until("\r\n"), nullptr, 16);
                r.body += read_exactly(n);
                read_until("\r\n");
                if (n == 0) return r;
            }
        }
        const auto length = r.header("Content-Length");
        if (!length.empty()) {
            r.body = read_exactly(std::stoul(length));
        } else {
            r.body = read_to_end();
        }
        return r;
    }
    std::string read_to_end() {
        while (read_some()) {
        }
        return std::exchange(in_, {});
    }

private:
    raw_socket() = default;
    int fd_ = -1;
    std::string in_;
};

}  // namespace sigrun::http::testing
