// The floor: 5-byte messages echoed between two processes over one loopback connection, with nothing in between, or with a
// process that hands them on.
//   peer_tcp server            prints its port, serves one connection after the other until killed
//   peer_tcp forward PORT      the same, and whatever comes goes to PORT and its answers back
//   peer_tcp client PORT OUTSTANDING SECONDS    prints one line of JSON
#include "closed_loop.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <string>

namespace {

constexpr std::size_t k_message = 5;

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

int tcp_socket() {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    return fd;
}

void no_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

sockaddr_in loopback(int port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port = htons(static_cast<std::uint16_t>(port));
    return where;
}

bool write_all(int fd, const char* p, std::size_t n) {
    while (n) {
        auto done = ::send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0) return false;
        p += done;
        n -= static_cast<std::size_t>(done);
    }
    return true;
}

int dial(int port) {
    int fd = tcp_socket();
    auto where = loopback(port);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof where)) die("connect");
    no_delay(fd);
    return fd;
}

/// Moves what one side has sent to the other; false when it has ended.
bool hand_on(int from, int to) {
    char bytes[65536];
    auto n = ::recv(from, bytes, sizeof bytes, 0);
    return n > 0 && write_all(to, bytes, static_cast<std::size_t>(n));
}

void echo(int fd) {
    while (hand_on(fd, fd)) {
    }
}

void forward(int fd, int upstream) {
    const int to = dial(upstream);
    pollfd both[2]{{fd, POLLIN, 0}, {to, POLLIN, 0}};
    for (bool going = true; going;) {
        if (::poll(both, 2, -1) < 0) die("poll");
        if (both[0].revents) going = hand_on(fd, to);
        if (going && both[1].revents) going = hand_on(to, fd);
    }
    ::close(to);
}

/// An echo, or with `upstream` what hands on to it.
[[noreturn]] void serve(int upstream) {
    int door = tcp_socket();
    auto where = loopback(0);
    socklen_t size = sizeof where;
    if (::bind(door, reinterpret_cast<sockaddr*>(&where), size) || ::listen(door, 16) ||
        ::getsockname(door, reinterpret_cast<sockaddr*>(&where), &size))
        die("listen");
    peers::tell_port(ntohs(where.sin_port));
    for (;;) {
        int fd = ::accept(door, nullptr, nullptr);
        if (fd < 0) die("accept");
        no_delay(fd);
        if (upstream)
            forward(fd, upstream);
        else
            echo(fd);
        ::close(fd);
    }
}

int drive(const peers::load& wanted) {
    const int fd = dial(wanted.port);
    peers::latencies seen;
    std::deque<peers::clock::time_point> sent;
    const auto begin = peers::clock::now();
    const auto until =
        begin + std::chrono::duration_cast<peers::clock::duration>(std::chrono::duration<double>(wanted.seconds));
    auto send = [&](std::size_t n) {
        std::string bytes;
        for (std::size_t i = 0; i < n; ++i) bytes += "hello";
        const auto now = peers::clock::now();
        sent.insert(sent.end(), n, now);
        if (!write_all(fd, bytes.data(), bytes.size())) die("send");
    };
    send(static_cast<std::size_t>(wanted.outstanding));
    std::size_t partial = 0;
    auto now = begin;
    while (!sent.empty()) {
        char bytes[65536];
        auto n = ::recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0) die("recv");
        now = peers::clock::now();
        const auto whole = (partial + static_cast<std::size_t>(n)) / k_message;
        partial = (partial + static_cast<std::size_t>(n)) % k_message;
        for (std::size_t i = 0; i < whole; ++i) {
            seen.add(sent.front(), now);
            sent.pop_front();
        }
        if (whole && now < until) send(whole);
    }
    seen.print(std::chrono::duration<double>(now - begin).count(), 0);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && !std::strcmp(argv[1], "server")) serve(0);
    if (argc > 1 && !std::strcmp(argv[1], "client")) return drive(peers::parse_load(argc, argv, 2));
    if (argc == 3 && !std::strcmp(argv[1], "forward"))
        if (const int port = std::atoi(argv[2]); port > 0 && port < 65536) serve(port);
    std::fprintf(stderr, "expected: server, forward PORT, or client PORT OUTSTANDING SECONDS\n");
    return 2;
}
