// Two instances of the real plugin, each in a mock host, and real sockets between them: one accepts and plays the controller,
// the other dials and plays the runner or a client. this_protocol.hpp, in the folder of each protocol, says which plugin.
#pragma once

#include "this_protocol.hpp"
#include "unit/plugins/protocols/pair/parts.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

namespace rig {

using namespace this_protocol;

/// One plugin instance in its host. The functions of `host` belong to the test.
struct side {
    sdk::mock_host host;
    sigrun_instance* instance = nullptr;
    const sigrun_protocol* table = nullptr;

    void start(const options& with = {}) {
        instance = host.start(host.create(k_component, with));
        table = static_cast<const sigrun_protocol*>(instance->get_interface(instance, str(SIGRUN_KIND_PROTOCOL)));
    }
    void stop() {
        if (instance) host.destroy(instance);
        instance = nullptr;
    }
    sdk::mock_host::outcome close(sigrun_link* link) {
        auto op = host.mint();
        table->link->close(link, SIGRUN_OK, op);
        return host.wait(op);
    }
    sdk::mock_host::outcome detect(const std::string& uri, int ms) {
        sigrun_endpoint to{sizeof to, 0, str(uri), str(""), str(""), 0};
        auto op = host.mint();
        EXPECT_EQ(table->dial->detect(instance, &to, in_ms(ms), op), SIGRUN_PENDING);
        return host.wait(op);
    }
    sdk::mock_host::outcome open(const std::string& uri, const sigrun_sink* frames, sigrun_link** link) {
        sigrun_endpoint to{sizeof to, 0, str(uri), str(""), str(""), 0};
        auto op = host.mint();
        auto r = table->dial->open(instance, &to, frames, op, link);
        if (r != SIGRUN_PENDING) {
            host.forget(op);
            return {r, ""};
        }
        return host.wait(op);
    }
    /// Starts a call; 0 if it was refused.
    sigrun_op call(sigrun_link* link, std::string_view method, const sigrun_sink* replies, std::string_view json = {},
                   sigrun_buf* payload = nullptr, std::uint64_t deadline = 0, std::string_view auth = {}) {
        sigrun_call c{sizeof c, 0, str(method), str(""), str(json), str(auth), payload, deadline};
        auto op = host.mint();
        if (auto r = table->link->call(link, &c, replies, op); r < 0) {
            host.forget(op);
            return 0;
        }
        return op;
    }
};

/// The accepting side: a listener, and a small controller behind the calls.
///   echo   answers with the json and payload of the call
///   hold   stays open until end() or release()
///   link   answers with a ticket, or the json of the call; the connection is adopted and `frames` gets what arrives
///   fail   is refused by begin with problem json
struct controller : side {
    struct held_call {
        sigrun_sink replies;
        std::uint64_t session;
    };
    std::mutex mutex;
    std::map<std::uint64_t, held_call> held;
    std::uint64_t next_call = 1;
    std::atomic<int> ended{0}, resumed{0}, calls{0};
    std::string last_auth;
    std::uint64_t last_deadline = 0;
    sdk::recording_sink frames;
    const sigrun_sink* link_sink = frames.abi();
    std::atomic<sigrun_link*> link{nullptr};
    std::vector<sigrun_op> lifetimes;
    std::string uri;
    std::string path;

    explicit controller(const options& with = {}, bool unix_socket = false) {
        host.on_call = [this](std::uint64_t session, const sigrun_call& c, const sigrun_sink& replies,
                              std::uint64_t* id, sigrun_error* e) { return on_call(session, c, replies, id, e); };
        host.on_end = [this](std::uint64_t id) {
            std::lock_guard lock(mutex);
            held.erase(id);
            ++ended;
        };
        host.on_resume = [this](std::uint64_t) { ++resumed; };
        host.on_adopt = [this](std::uint64_t, std::string_view ticket, sigrun_link* adopted, const sigrun_sink** sink,
                               sigrun_error* e) {
            if (ticket != "t1") return sdk::report(e, SIGRUN_E_NOT_FOUND, "no such ticket");
            *sink = link_sink;
            link = adopted;
            return sigrun_result{SIGRUN_OK};
        };
        start(with);
        unix_socket ? listen_unix() : listen_tcp();
        thread_ = std::thread([this] { accept_loop(); });
    }
    ~controller() {
        std::uint64_t one = 1;
        EXPECT_EQ(write(wake_, &one, sizeof one), 8);
        thread_.join();
        stop();
        ::close(listener_);
        ::close(wake_);
        if (!path.empty()) unlink(path.c_str());
    }
    sigrun_result hand_over(int fd) {
        sigrun_accept a{};
        a.struct_size = sizeof a;
        a.fd = fd;
        a.flags = path.empty() ? 0u : std::uint32_t{SIGRUN_ACCEPT_UNIX};
        a.uid = 4711;
        std::lock_guard lock(mutex);
        a.session = lifetimes.size() + 1;
        lifetimes.push_back(host.mint());
        return table->serve->on_accept(instance, &a, lifetimes.back());
    }
    bool all_ended() {
        std::lock_guard lock(mutex);
        for (auto op : lifetimes)
            if (!host.completed(op)) return false;
        return true;
    }
    std::size_t accepted() {
        std::lock_guard lock(mutex);
        return lifetimes.size();
    }
    held_call first_held() {
        std::lock_guard lock(mutex);
        return held.begin()->second;
    }
    std::size_t held_count() {
        std::lock_guard lock(mutex);
        return held.size();
    }

private:
    sigrun_result on_call(std::uint64_t session, const sigrun_call& c, const sigrun_sink& replies, std::uint64_t* id,
                          sigrun_error* error) {
        ++calls;
        auto method = sdk::view(c.method);
        {
            std::lock_guard lock(mutex);
            last_auth = sdk::view(c.auth);
            last_deadline = c.deadline_ns;
        }
        if (method == "fail") return sdk::report(error, SIGRUN_E_INVALID, R"({"code":"invalid","title":"no"})");
        if (method == "hold") {
            std::lock_guard lock(mutex);
            *id = next_call++;
            held[*id] = {replies, session};
            return SIGRUN_PENDING;
        }
        made_frame reply(SIGRUN_REPLY, SIGRUN_FRAME_LAST | (method == "link" ? std::uint32_t{SIGRUN_FRAME_LINK} : 0u));
        reply.with_json(method == "link" && c.json.len < 10 ? R"({"ticket":"t1"})" : std::string(sdk::view(c.json)));
        reply.frame.payload = c.payload;
        return replies.on_frame(replies.ctx, reply);
    }
    void listen_tcp() {
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t n = sizeof a;
        if (bind(listener_, reinterpret_cast<sockaddr*>(&a), n) || listen(listener_, 1024) ||
            getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &n))
            throw std::runtime_error("no listener");
        uri = sdk::concat(k_scheme, "://127.0.0.1:", ntohs(a.sin_port));
    }
    void listen_unix() {
        path = sdk::concat(testing::TempDir(), k_component, "_test_", getpid(), "_",
                           reinterpret_cast<std::uintptr_t>(this));
        listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        path.copy(a.sun_path, sizeof a.sun_path - 1);
        if (bind(listener_, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(listener_, 1024))
            throw std::runtime_error("no listener");
        uri = sdk::concat(k_scheme, "+unix://", path);
    }
    void accept_loop() {
        for (;;) {
            pollfd both[2] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
            poll(both, 2, -1);
            if (both[1].revents) return;
            int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0 && hand_over(fd) != SIGRUN_OK) ::close(fd);
        }
    }
    int listener_ = -1;
    int wake_ = eventfd(0, EFD_CLOEXEC);
    std::thread thread_;
};

/// A client with a link to the controller, and a sink for its session. Checks at its end that nothing leaked.
struct client : side {
    sdk::recording_sink frames;
    sigrun_link* link = nullptr;
    explicit client(const std::string& uri, const options& with = {}) {
        start(with);
        auto opened = open(uri, frames.abi(), &link);
        if (opened.result != SIGRUN_OK) throw std::runtime_error(opened.text);
    }
    ~client() {
        if (link) {
            EXPECT_EQ(close(link).result, SIGRUN_OK);
        }
        stop();
        EXPECT_EQ(host.live_buffers(), 0u);
        EXPECT_EQ(host.open_ops(), 0u);
        EXPECT_EQ(host.live_threads(), 0u);
        EXPECT_EQ(host.double_completions(), 0u);
        EXPECT_FALSE(frames.overlapped());
    }
    void become_link(controller& to) {
        sdk::recording_sink replies;
        auto op = call(link, "link", replies.abi());
        EXPECT_EQ(host.wait(op).result, SIGRUN_OK);
        EXPECT_TRUE(replies.frames().at(0).flags & SIGRUN_FRAME_LINK);
        EXPECT_TRUE(eventually([&] { return to.link.load() != nullptr; }));
    }
};

}  // namespace rig
