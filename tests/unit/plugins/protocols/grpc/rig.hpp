// Instances of the real plugin in mock hosts and real sockets between them: one accepts and plays the controller, the other
// dials and plays the runner or a client.
#pragma once

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

/// One plugin instance in its host. The functions of `host` belong to the test.
struct side {
    sdk::mock_host host;
    sigrun_instance* instance = nullptr;
    const sigrun_protocol* table = nullptr;

    void start(const options& with = {}) {
        instance = host.start(host.create("grpc", with));
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
    sdk::mock_host::outcome detect(const std::string& uri, int ms, const std::string& with = {}) {
        sigrun_endpoint to{sizeof to, 0, str(uri), str(""), str(with), 0};
        auto op = host.mint();
        auto r = table->dial->detect(instance, &to, in_ms(ms), op);
        if (r != SIGRUN_PENDING) {
            host.forget(op);
            return {r, ""};
        }
        return host.wait(op, std::chrono::seconds(30));
    }
    sdk::mock_host::outcome open(const std::string& uri, const sigrun_sink* frames, sigrun_link** link,
                                 const std::string& with = {}) {
        sigrun_endpoint to{sizeof to, 0, str(uri), str(""), str(with), 0};
        auto op = host.mint();
        auto r = table->dial->open(instance, &to, frames, op, link);
        if (r != SIGRUN_PENDING) {
            host.forget(op);
            return {r, ""};
        }
        return host.wait(op, std::chrono::seconds(30));
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
///   echo   answers with the json and payload of the call (so do jobs.* and runners.*)
///   hold   stays open until release(); jobs.logs and events.watch, too
///   link   answers with a ticket, or the json of the call; the connection is adopted and `frames` gets what arrives
///   fail   is refused by begin with problem json
struct controller : side {
    struct seen_call {
        std::uint64_t session;
        std::string method, params, json, auth, payload;
        std::uint64_t deadline;
    };
    struct held_call {
        sigrun_sink replies;
        std::uint64_t session;
    };
    std::mutex mutex;
    std::map<std::uint64_t, held_call> held;
    std::vector<seen_call> seen;
    std::uint64_t next_call = 1;
    std::atomic<int> ended{0}, resumed{0}, calls{0};
    std::atomic<bool> is_ready{true};
    sdk::recording_sink frames;
    const sigrun_sink* link_sink = frames.abi();
    std::atomic<sigrun_link*> link{nullptr};
    std::atomic<bool> adopts_elsewhere{false};  // the reply that grants the link comes on another thread
    std::vector<std::thread> others;
    std::vector<sigrun_op> lifetimes;
    std::string uri;
    std::string path;
    std::atomic<controller*> successor{nullptr};  // gets what is accepted here

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
        for (auto& t : others) t.join();
        std::uint64_t one = 1;
        EXPECT_EQ(write(wake_, &one, sizeof one), 8);
        thread_.join();
        stop();
        ::close(listener_);
        ::close(wake_);
        if (!path.empty()) unlink(path.c_str());
        EXPECT_EQ(host.live_buffers(), 0u);
        EXPECT_EQ(host.open_ops(), 0u);
        EXPECT_EQ(host.live_threads(), 0u);
        EXPECT_EQ(host.double_completions(), 0u);
        EXPECT_FALSE(frames.overlapped());
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
        auto result = table->serve->on_accept(instance, &a, lifetimes.back());
        if (result < 0) {
            host.forget(lifetimes.back());
            lifetimes.pop_back();
        }
        return result;
    }
    sigrun_op retire(int ms) {
        auto op = host.mint();
        EXPECT_EQ(table->serve->retire(instance, in_ms(ms), op), SIGRUN_OK);
        return op;
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
        if (!eventually([this] { return held_count() > 0; })) throw std::runtime_error("no call is held");
        std::lock_guard lock(mutex);
        return held.begin()->second;
    }
    std::size_t held_count() {
        std::lock_guard lock(mutex);
        return held.size();
    }
    seen_call last_seen() {
        std::lock_guard lock(mutex);
        return seen.back();
    }
    sigrun_result give(const held_call& to, std::uint32_t flags, std::string json, std::string_view payload = {}) {
        made_frame reply(SIGRUN_REPLY, flags);
        reply.with_json(std::move(json));
        if (!payload.empty()) reply.with(host.get(), payload);
        return to.replies.on_frame(to.replies.ctx, reply);
    }

private:
    sigrun_result on_call(std::uint64_t session, const sigrun_call& c, const sigrun_sink& replies, std::uint64_t* id,
                          sigrun_error* error) {
        ++calls;
        const std::string method(sdk::view(c.method));
        {
            std::lock_guard lock(mutex);
            seen.push_back({session, method, std::string(sdk::view(c.params)), std::string(sdk::view(c.json)),
                            std::string(sdk::view(c.auth)), std::string(sdk::mock::content(c.payload)), c.deadline_ns});
        }
        if (method == "fail")
            return sdk::report(
                error, SIGRUN_E_INVALID,
                R"({"code":"not_found","title":"no such job","field":"id","expected":"one","found":"none"})");
        if (method == "health.ready" && !is_ready)
            return sdk::report(error, SIGRUN_E_IO, R"({"code":"unavailable","title":"not ready"})");
        if (method == "hold" || method == "jobs.logs" || method == "events.watch" || method == "jobs.cancel") {
            std::lock_guard lock(mutex);
            *id = next_call++;
            held[*id] = {replies, session};
            return SIGRUN_PENDING;
        }
        const bool links = method == "link";
        if (links && adopts_elsewhere) {
            *id = 999;
            others.emplace_back([replies] {
                made_frame reply(SIGRUN_REPLY, SIGRUN_FRAME_LAST | SIGRUN_FRAME_LINK);
                reply.with_json(R"({"ticket":"t1"})");
                replies.on_frame(replies.ctx, reply);
            });
            return SIGRUN_PENDING;
        }
        made_frame reply(SIGRUN_REPLY, SIGRUN_FRAME_LAST | (links ? std::uint32_t{SIGRUN_FRAME_LINK} : 0u));
        reply.with_json(links && c.json.len < 10 ? R"({"ticket":"t1"})" : std::string(sdk::view(c.json)));
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
        uri = sdk::concat("grpc://127.0.0.1:", ntohs(a.sin_port));
    }
    void listen_unix() {
        path = sdk::concat(testing::TempDir(), "grpc_test_", getpid(), "_", reinterpret_cast<std::uintptr_t>(this));
        listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        path.copy(a.sun_path, sizeof a.sun_path - 1);
        if (bind(listener_, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(listener_, 1024))
            throw std::runtime_error("no listener");
        uri = "grpc+unix://" + path;
    }
    void accept_loop() {
        for (;;) {
            pollfd both[2] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
            poll(both, 2, -1);
            if (both[1].revents) return;
            int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            auto* to = successor ? successor.load() : this;
            if (fd >= 0 && to->hand_over(fd) != SIGRUN_OK) ::close(fd);
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
    explicit client(const std::string& uri, const options& with = {}, const std::string& endpoint = {}) {
        start(with);
        auto opened = open(uri, frames.abi(), &link, endpoint);
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
    /// One call to its end: its only reply.
    sdk::recorded_frame ask(std::string_view method, std::string_view json = {}) {
        sdk::recording_sink replies;
        auto op = call(link, method, replies.abi(), json);
        if (!op) throw std::runtime_error("the call was refused");
        auto done = host.wait(op);
        if (done.result != SIGRUN_OK) throw std::runtime_error(done.text);
        return replies.frames().at(0);
    }
};

inline auto is_last(std::uint32_t kind) {
    return [kind](const sdk::recorded_frame& f) { return f.kind == kind && (f.flags & SIGRUN_FRAME_LAST); };
}

}  // namespace rig
