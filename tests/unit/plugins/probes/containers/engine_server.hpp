// A real UNIX socket with somebody behind it who behaves as told.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace sigrun::containers {

class engine_server {
public:
    /// Called with each connection, which is closed afterwards; `stop` becomes readable when the server ends.
    using behaviour = std::function<void(int fd, int stop)>;

    engine_server(const std::string& path, behaviour what) : what_(std::move(what)) {
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path) throw std::runtime_error("path too long");
        std::memcpy(address.sun_path, path.c_str(), path.size());
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::pipe2(stop_, O_CLOEXEC) != 0 ||
            ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_, 4) != 0)
            throw std::runtime_error("cannot listen at " + path);
        thread_ = std::thread([this] { serve(); });
    }
    engine_server(const engine_server&) = delete;
    ~engine_server() {
        ::close(stop_[1]);
        thread_.join();
        ::close(stop_[0]);
        ::close(listener_);
    }

    /// Waits until something can be read; false: the server ends.
    static bool readable(int fd, int stop) {
        pollfd both[] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};
        while (::poll(both, 2, -1) < 0) {
        }
        return both[1].revents == 0;
    }
    static void wait_for_the_end(int stop) {
        pollfd one{stop, POLLIN, 0};
        while (::poll(&one, 1, -1) < 0) {
        }
    }
    static void say(int fd, const std::string& text) {
        for (std::size_t at = 0; at < text.size();) {
            const auto n = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
            if (n <= 0) return;
            at += static_cast<std::size_t>(n);
        }
    }
    static std::string reply(const std::string& body, const std::string& status = "200 OK") {
        return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }
    /// The target of the next request, or empty.
    static std::string next_request(int fd, int stop) {
        std::string head;
        while (head.find("\r\n\r\n") == head.npos) {
            char room[1024];
            if (!readable(fd, stop)) return {};
            const auto n = ::recv(fd, room, sizeof room, 0);
            if (n <= 0) return {};
            head.append(room, static_cast<std::size_t>(n));
        }
        const auto from = head.find(' ') + 1;
        return head.substr(from, head.find(' ', from) - from);
    }
    /// Answers as an engine does: by target; what is not in `bodies` is not answered.
    static behaviour engine(std::map<std::string, std::string> bodies) {
        return [bodies = std::move(bodies)](int fd, int stop) {
            for (std::string target; !(target = next_request(fd, stop)).empty();) {
                const auto at = bodies.find(target);
                if (at == bodies.end()) return wait_for_the_end(stop);
                say(fd, reply(at->second));
            }
        };
    }

private:
    void serve() {
        while (readable(listener_, stop_[0])) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            what_(fd, stop_[0]);
            ::close(fd);
        }
    }

    behaviour what_;
    int listener_ = -1;
    int stop_[2] = {-1, -1};
    std::thread thread_;
};

}  // namespace sigrun::containers
