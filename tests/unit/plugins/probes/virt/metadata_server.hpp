// A real HTTP server on a loopback port that answers as a cloud's metadata service does, or misbehaves.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace sigrun::virt {

class metadata_server {
public:
    struct answer {
        std::string body;
        std::string needs;  // a line that the request must have; else the answer is 401
        unsigned status = 200;
    };
    /// By method and target: "GET /latest/meta-data/placement/region". What is not there is 404.
    explicit metadata_server(std::map<std::string, answer> answers, bool silent = false, std::string raw = {})
        : answers_(std::move(answers)), silent_(silent), raw_(std::move(raw)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::pipe2(stop_, O_CLOEXEC) != 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
            ::listen(listener_, 8) != 0 || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
            throw std::runtime_error("cannot listen on loopback");
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    metadata_server(const metadata_server&) = delete;
    ~metadata_server() {
        ::close(stop_[1]);
        thread_.join();
        ::close(stop_[0]);
        ::close(listener_);
    }
    std::uint16_t port() const noexcept { return port_; }
    /// Methods and targets in the order in which they came.
    std::vector<std::string> asked() const {
        std::lock_guard lock(mutex_);
        return asked_;
    }
    std::size_t connections() const {
        std::lock_guard lock(mutex_);
        return connections_;
    }

private:
    bool readable(int fd) const {
        pollfd both[] = {{fd, POLLIN, 0}, {stop_[0], POLLIN, 0}};
        while (::poll(both, 2, -1) < 0) {
        }
        return both[1].revents == 0;
    }
    static void say(int fd, const std::string& text) {
        for (std::size_t at = 0; at < text.size();) {
            const auto n = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
            if (n <= 0) return;
            at += static_cast<std::size_t>(n);
        }
    }
    void serve() {
        while (readable(listener_)) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            {
                std::lock_guard lock(mutex_);
                ++connections_;
            }
            talk(fd);
            ::close(fd);
        }
    }
    void talk(int fd) {
        for (std::string head; readable(fd);) {
            char room[2048];
            const auto n = ::recv(fd, room, sizeof room, 0);
            if (n <= 0) return;
            head.append(room, static_cast<std::size_t>(n));
            const auto end = head.find("\r\n\r\n");
            if (end == head.npos || silent_) continue;
            const auto line = head.substr(0, head.find(" HTTP/"));
            {
                std::lock_guard lock(mutex_);
                asked_.push_back(line);
            }
            if (!raw_.empty()) return say(fd, raw_);
            const auto at = answers_.find(line);
            answer a = at == answers_.end() ? answer{"", "", 404} : at->second;
            if (!a.needs.empty() && head.find(a.needs + "\r\n") == head.npos) a = {"", "", 401};
            say(fd, "HTTP/1.1 " + std::to_string(a.status) + " X\r\nContent-Length: " + std::to_string(a.body.size()) +
                        "\r\n\r\n" + a.body);
            head.erase(0, end + 4);
        }
    }

    const std::map<std::string, answer> answers_;
    const bool silent_;
    const std::string raw_;
    int listener_ = -1;
    int stop_[2] = {-1, -1};
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::vector<std::string> asked_;
    std::size_t connections_ = 0;
    std::thread thread_;
};

}  // namespace sigrun::virt
