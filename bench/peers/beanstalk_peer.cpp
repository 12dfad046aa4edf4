// Keeps OUTSTANDING jobs between put and delete at a beanstalkd and measures from one to the other.
//   peer_beanstalk PORT OUTSTANDING SECONDS [BYTES]     prints one line of JSON
// One connection puts, and four work (reserve, then delete); each has as many commands under way as it may, so that nothing
// waits for this program. beanstalkd carries no results: a job is done when its delete was answered.
#include "closed_loop.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

namespace {

[[noreturn]] void end_with(const char* what) {
    std::fprintf(stderr, "beanstalk: %s (errno %d)\n", what, errno);
    std::exit(1);
}

/// One connection: what is to be sent, and what came and was not read.
struct wire {
    int fd = -1;
    std::string out, in;

    explicit wire(int port) {
        fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) end_with("cannot connect");
        const int on = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;
    ~wire() { ::close(fd); }

    void send() {
        if (out.empty()) return;
        const auto n = ::send(fd, out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) end_with("cannot send");
        if (n > 0) out.erase(0, static_cast<std::size_t>(n));
    }
    void receive() {
        char piece[64 << 10];
        const auto n = ::recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) end_with("the connection was closed");
        if (n > 0) in.append(piece, static_cast<std::size_t>(n));
    }
    /// The next whole line without its end, or nothing. It stays until `drop`.
    std::string_view line() const {
        const auto at = in.find("\r\n");
        return at == std::string::npos ? std::string_view() : std::string_view(in).substr(0, at);
    }
    void drop(std::size_t bytes) { in.erase(0, bytes); }
};

std::uint64_t number_after(std::string_view line, std::size_t begin) {
    std::uint64_t n = 0;
    std::from_chars(line.data() + begin, line.data() + line.size(), n);
    return n;
}

class loop {
public:
    explicit loop(const peers::load& wanted)
        : wanted_(wanted), body_(static_cast<std::size_t>(wanted.bytes), 'x'), putter_(wanted.port) {
        begin_ = last_ = peers::clock::now();
        until_ =
            begin_ + std::chrono::duration_cast<peers::clock::duration>(std::chrono::duration<double>(wanted.seconds));
        for (auto& w : workers_) w.out += "reserve\r\n";
        for (int i = 0; i < wanted.outstanding; ++i) put();
    }

    void run() {
        while (open_) {
            std::array<pollfd, k_workers + 1> all{};
            for (std::size_t i = 0; i < all.size(); ++i) {
                wire& w = at(i);
                w.send();
                all[i] = {w.fd, static_cast<short>(w.out.empty() ? POLLIN : POLLIN | POLLOUT), 0};
            }
            if (::poll(all.data(), all.size(), 10'000) <= 0) end_with("nothing came for 10 s");
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (!(all[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
                at(i).receive();
                i == k_workers ? read_put_answers() : read_work(at(i));
            }
        }
    }

    void print() { seen_.print(std::chrono::duration<double>(last_ - begin_).count(), errors_); }

private:
    static constexpr std::size_t k_workers = 4;

    std::deque<std::uint64_t>& asked_of(const wire& w) {
        return deleting_[static_cast<std::size_t>(&w - workers_.data())];
    }
    wire& at(std::size_t i) { return i == k_workers ? putter_ : workers_[i]; }

    void put() {
        putter_.out += "put 0 0 60 " + std::to_string(body_.size()) + "\r\n" + body_ + "\r\n";
        sent_.push_back(peers::clock::now());
        ++open_;
    }

    // In the order of the puts.
    void read_put_answers() {
        for (auto line = putter_.line(); line.data(); line = putter_.line()) {
            if (line.rfind("INSERTED ", 0) != 0) end_with("a put was refused");
            begun_[number_after(line, 9)] = sent_.front();
            sent_.pop_front();
            putter_.drop(line.size() + 2);
        }
        for (const auto id : std::exchange(early_, {})) done(id);
    }

    void read_work(wire& w) {
        for (auto line = w.line(); line.data(); line = w.line()) {
            if (line.rfind("RESERVED ", 0) == 0) {
                const auto id = number_after(line, 9);
                const auto bytes = number_after(line, line.rfind(' ') + 1);
                const auto all = line.size() + 2 + bytes + 2;
                if (w.in.size() < all) return;
                w.drop(all);
                asked_of(w).push_back(id);
                w.out += "delete " + std::to_string(id) + "\r\nreserve\r\n";
            } else {
                if (line != "DELETED") ++errors_;
                w.drop(line.size() + 2);
                auto& asked = asked_of(w);
                const auto id = asked.front();
                asked.pop_front();
                done(id);
            }
        }
    }

    void done(std::uint64_t id) {
        const auto at = begun_.find(id);
        if (at == begun_.end()) {  // the answer to its put is on its way
            early_.push_back(id);
            return;
        }
        last_ = peers::clock::now();
        seen_.add(at->second, last_);
        begun_.erase(at);
        --open_;
        if (last_ < until_) put();
    }

    const peers::load wanted_;
    const std::string body_;
    std::array<wire, k_workers> workers_{wire(wanted_.port), wire(wanted_.port), wire(wanted_.port),
                                         wire(wanted_.port)};
    wire putter_;
    std::deque<peers::clock::time_point> sent_;
    std::unordered_map<std::uint64_t, peers::clock::time_point> begun_;
    std::array<std::deque<std::uint64_t>, k_workers> deleting_;
    std::deque<std::uint64_t> early_;
    std::uint64_t open_ = 0, errors_ = 0;
    peers::latencies seen_;
    peers::clock::time_point begin_, until_, last_;
};

}  // namespace

int main(int argc, char** argv) {
    loop all(peers::parse_load(argc, argv, 1));
    all.run();
    all.print();
    return 0;
}
