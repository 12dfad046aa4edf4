// A client of nghttp2 for tests: one connection, blocking, a stream at a time or many; says what came, byte for byte.
#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <vector>

namespace rig {

/// What a stream has been answered.
struct answered {
    std::map<std::string, std::string> fields;  // head and trailers
    std::string data;
    bool closed = false;
    std::uint32_t error = 0;
    int grpc_status() const {
        auto found = fields.find("grpc-status");
        return found == fields.end() ? -1 : std::stoi(found->second);
    }
};

using headers = std::vector<std::pair<std::string, std::string>>;

inline std::string grpc_message(std::string_view bytes) {
    std::string out(5, '\0');
    for (std::size_t i = 0; i < 4; ++i) out[4 - i] = static_cast<char>(bytes.size() >> (8 * i) & 255);
    return out.append(bytes);
}

class h2_client {
public:
    explicit h2_client(const std::string& uri) {
        if (uri.substr(0, 12) == "grpc+unix://") {
            fd_ = socket(AF_UNIX, SOCK_STREAM, 0);
            sockaddr_un a{};
            a.sun_family = AF_UNIX;
            uri.substr(12).copy(a.sun_path, sizeof a.sun_path - 1);
            EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
        } else {
            fd_ = socket(AF_INET, SOCK_STREAM, 0);
            sockaddr_in a{};
            a.sin_family = AF_INET;
            a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            a.sin_port = htons(static_cast<std::uint16_t>(std::stoi(uri.substr(uri.rfind(':') + 1))));
            EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
        }
        nghttp2_session_callbacks* c = nullptr;
        nghttp2_session_callbacks_new(&c);
        nghttp2_session_callbacks_set_on_header_callback(
            c, [](nghttp2_session*, const nghttp2_frame* f, const std::uint8_t* n, std::size_t ns,
                  const std::uint8_t* v, std::size_t vs, std::uint8_t, void* me) {
                self(me).all[f->hd.stream_id].fields[std::string(reinterpret_cast<const char*>(n), ns)] =
                    std::string(reinterpret_cast<const char*>(v), vs);
                return 0;
            });
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
            c, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* p, std::size_t n, void* me) {
                self(me).all[id].data.append(reinterpret_cast<const char*>(p), n);
                return 0;
            });
        nghttp2_session_callbacks_set_on_stream_close_callback(
            c, [](nghttp2_session*, std::int32_t id, std::uint32_t error, void* me) {
                self(me).all[id].closed = true;
                self(me).all[id].error = error;
                return 0;
            });
        nghttp2_session_callbacks_set_on_frame_recv_callback(c, [](nghttp2_session*, const nghttp2_frame* f, void* me) {
            if (f->hd.type == NGHTTP2_GOAWAY) {
                self(me).goaways.push_back(f->goaway.last_stream_id);
                self(me).goaway_error = f->goaway.error_code;
            }
            if (f->hd.type == NGHTTP2_SETTINGS && !(f->hd.flags & NGHTTP2_FLAG_ACK)) self(me).settings = true;
            return 0;
        });
        nghttp2_session_client_new(&session_, c, this);
        nghttp2_session_callbacks_del(c);
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
        write();
    }
    ~h2_client() {
        nghttp2_session_del(session_);
        if (fd_ >= 0) ::close(fd_);
    }

    static headers usual(const std::string& path, headers more = {}) {
        headers out{{":method", "POST"},
                    {":scheme", "http"},
                    {":path", path},
                    {":authority", "t"},
                    {"content-type", "application/grpc"},
                    {"te", "trailers"}};
        for (auto& h : more) out.push_back(std::move(h));
        return out;
    }
    /// Opens a stream; `body` is sent as it is. With `ends`, the request ends with it.
    std::int32_t send(const headers& head, std::string body, bool ends = true) {
        std::vector<nghttp2_nv> nv;
        for (const auto& [n, v] : head)
            nv.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(n.data())),
                          reinterpret_cast<std::uint8_t*>(const_cast<char*>(v.data())), n.size(), v.size(), 0});
        bodies_.push_back({std::move(body), 0, ends});
        auto& kept = bodies_.back();
        nghttp2_data_provider provider{};
        provider.source.ptr = &kept;
        provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room,
                                    std::uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
            auto& b = *static_cast<body_left*>(source->ptr);
            const auto n = std::min(room, b.bytes.size() - b.sent);
            std::memcpy(to, b.bytes.data() + b.sent, n);
            b.sent += n;
            if (b.sent == b.bytes.size() && b.ends) *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (n == 0 && !(*flags & NGHTTP2_DATA_FLAG_EOF)) return NGHTTP2_ERR_DEFERRED;
            return static_cast<ssize_t>(n);
        };
        const auto id = nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(), &provider, nullptr);
        write();
        return id;
    }
    /// Reads until `done`, the end of the connection, or the deadline. False: not done.
    bool until(const std::function<bool()>& done, int ms = 20000) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
        while (!done()) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
            pollfd one{fd_, POLLIN, 0};
            if (left <= 0 || poll(&one, 1, static_cast<int>(left)) <= 0) return done();
            char room[65536];
            const auto n = recv(fd_, room, sizeof room, 0);
            if (n <= 0) {
                over = true;
                return done();
            }
            if (nghttp2_session_mem_recv(session_, reinterpret_cast<std::uint8_t*>(room), static_cast<std::size_t>(n)) <
                0) {
                over = true;
                return done();
            }
            write();
        }
        return true;
    }
    /// A whole call.
    answered ask(const headers& head, std::string body) {
        const auto id = send(head, std::move(body));
        EXPECT_TRUE(until([&] { return all[id].closed || over; }));
        return all[id];
    }
    answered ask(const std::string& path, std::string_view message, headers more = {}) {
        return ask(usual(path, std::move(more)), grpc_message(message));
    }
    void reset(std::int32_t id) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        write();
    }
    void write() {
        const std::uint8_t* p = nullptr;
        for (ssize_t n; (n = nghttp2_session_mem_send(session_, &p)) > 0;)
            if (::send(fd_, p, static_cast<std::size_t>(n), MSG_NOSIGNAL) < 0) return;
    }

    std::map<std::int32_t, answered> all;
    std::vector<std::int32_t> goaways;
    std::uint32_t goaway_error = 0;
    bool settings = false;
    bool over = false;

private:
    struct body_left {
        std::string bytes;
        std::size_t sent;
        bool ends;
    };
    static h2_client& self(void* me) { return *static_cast<h2_client*>(me); }
    int fd_ = -1;
    nghttp2_session* session_ = nullptr;
    std::list<body_left> bodies_;
};

}  // namespace rig
