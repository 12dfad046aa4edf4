// The http plugin behind real listening sockets, with a scripted kernel behind it.
#pragma once

#include "raw_socket.hpp"

#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/protocol.h>

#include <boost/json.hpp>

#include <sys/stat.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sigrun::http::testing {

inline constexpr int k_long = 30'000;  // ms that a retirement may take

/// One inbound call as the kernel saw it, with the sink to answer to.
struct seen_call {
    std::uint64_t id = 0;
    std::uint64_t session = 0;
    std::string method, params, document, auth, payload;
    sigrun_sink replies{};
    std::string request_id, trace_parent;  // taken out of the params
};

/// The params without what the plugin puts in front of them.
inline void take_names(seen_call& seen) {
    auto o = boost::json::parse(seen.params).as_object();
    const auto take = [&](const char* name, std::string& into) {
        if (const auto* v = o.if_contains(name)) into = std::string(v->as_string());
        o.erase(name);
    };
    const auto members = seen.params.find(
        ',', seen.params.find("\"traceparent\"") == std::string::npos ? 0 : seen.params.find("\"traceparent\""));
    take("request_id", seen.request_id);
    take("traceparent", seen.trace_parent);
    seen.params = o.empty() ? "" : "{" + seen.params.substr(members + 1);
}

inline sigrun_result give_reply(const sdk::host& host, const sigrun_sink& sink, std::uint32_t flags,
                                std::string_view json, std::string_view payload = {}) {
    sdk::buffer bytes;
    if (!payload.empty()) bytes = sdk::buffer(host, payload);
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = SIGRUN_REPLY;
    f.flags = flags;
    f.json = sdk::str(json);
    f.payload = bytes.get();
    return sink.on_frame(sink.ctx, &f);
}

constexpr std::string_view k_json_type = "Content-Type: application/json\r\n";

class served_plugin {
public:
    /// Answers one call: return OK after the last reply was given, PENDING to go on later, or an error with
    /// text.
    using answer = std::function<sigrun_result(const seen_call&, sigrun_error*)>;

    using options = std::map<std::string, std::string>;

    served_plugin() : served_plugin(options{}) {}
    explicit served_plugin(options given) {
        char folder[] = "/tmp/sigrun-http-XXXXXX";
        if (!mkdtemp(folder)) throw std::runtime_error("mkdtemp");
        folder_ = folder;
        host.on_call = [this](std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                              std::uint64_t* id,
                              sigrun_error* error) { return take(session, call, replies, id, error); };
        host.on_end = [this](std::uint64_t id) {
            std::lock_guard lock(mutex_);
            ended_.push_back(id);
            changed_.notify_all();
        };
        host.on_resume = [this](std::uint64_t) {
            std::lock_guard lock(mutex_);
            ++resumed_;
            changed_.notify_all();
        };
        instance = host.start(host.create("http", std::move(given)));
        table = static_cast<const sigrun_protocol*>(instance->get_interface(instance, sdk::str(SIGRUN_KIND_PROTOCOL)));
        listen_tcp();
        listen_unix();
        acceptors_.emplace_back([this] { accept_from(tcp_, false); });
        acceptors_.emplace_back([this] { accept_from(unix_, true); });
    }
    ~served_plugin() {
        stop_accepting();
        close(tcp_);
        close(unix_);
        if (instance) host.destroy(instance);
        unlink(socket_path().c_str());
        rmdir(folder_.c_str());
    }
    /// As a host would: nothing is accepted for an instance that goes.
    void destroy() {
        stop_accepting();
        host.destroy(instance);
        instance = nullptr;
    }

    /// Sets what a method does. Before the request is sent.
    void on(const std::string& method, answer what) {
        std::lock_guard lock(mutex_);
        answers_[method] = std::move(what);
    }
    /// The method answers with this document.
    void on(const std::string& method, std::string json) {
        on(method, [this, json](const seen_call& c, sigrun_error*) {
            give_reply(host.get(), c.replies, SIGRUN_FRAME_LAST, json);
            return SIGRUN_OK;
        });
    }
    std::vector<seen_call> calls() {
        std::lock_guard lock(mutex_);
        return calls_;
    }
    seen_call wait_call(std::size_t n = 1) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return calls_.size() >= n; }))
            throw std::runtime_error("the call did not come");
        return calls_[n - 1];
    }
    void wait_ended(std::uint64_t id) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(10),
                               [&] { return std::find(ended_.begin(), ended_.end(), id) != ended_.end(); }))
            throw std::runtime_error("the call was not ended");
    }
    void wait_resumed(std::size_t n) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return resumed_ >= n; }))
            throw std::runtime_error("the call was not resumed");
    }
    sigrun_op lifetime_of_last() {
        std::lock_guard lock(mutex_);
        return lifetimes_.back();
    }

    std::uint16_t port() const { return port_; }
    std::string url() const { return sdk::concat("http://127.0.0.1:", port_); }
    std::string socket_path() const { return folder_ + "/s"; }
    raw_socket connect() const { return raw_socket::tcp(port_); }
    response ask(std::string_view request) const {
        auto s = connect();
        s.send(request);
        return s.read_response(request.substr(0, 5) == "HEAD ");
    }
    /// A GET and a POST as a program of this machine sends them; a POST is JSON if its headers name no type.
    response get(std::string_view target, std::string_view headers = {}) const {
        return ask(sdk::concat("GET ", target, " HTTP/1.1\r\nHost: localhost\r\n", headers, "\r\n"));
    }
    response post(std::string_view target, std::string_view body, std::string_view headers = {}) const {
        const auto type = headers.find("Content-Type:") == std::string_view::npos ? k_json_type : std::string_view();
        return ask(sdk::concat("POST ", target, " HTTP/1.1\r\nHost: localhost\r\nContent-Length: ", body.size(), "\r\n",
                               type, headers, "\r\n", body));
    }

    /// A newer generation serves from now on if `newer` is given; this one goes.
    sigrun_op retire(int ms, served_plugin* newer = nullptr) {
        if (newer) successor = newer;
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
        const auto done = host.mint();
        if (table->serve->retire(instance, static_cast<std::uint64_t>(deadline.time_since_epoch().count()), done) !=
            SIGRUN_OK)
            throw std::runtime_error("retire was refused");
        return done;
    }

    sdk::mock_host host;
    sigrun_instance* instance = nullptr;
    const sigrun_protocol* table = nullptr;
    std::atomic<served_plugin*> successor{nullptr};  // gets what is accepted here; outlives this one

private:
    sigrun_result take(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies, std::uint64_t* id,
                       sigrun_error* error) {
        seen_call seen{0,
                       session,
                       std::string(sdk::view(call.method)),
                       std::string(sdk::view(call.params)),
                       std::string(sdk::view(call.json)),
                       std::string(sdk::view(call.auth)),
                       std::string(sdk::mock::content(call.payload)),
                       replies,
                       {},
                       {}};
        take_names(seen);
        answer what;
        {
            std::lock_guard lock(mutex_);
            seen.id = calls_.size() + 1;
            *id = seen.id;
            calls_.push_back(seen);
            const auto found = answers_.find(seen.method);
            if (found != answers_.end()) what = found->second;
            changed_.notify_all();
        }
        if (!what)
            return sdk::report(error, SIGRUN_E_UNSUPPORTED, R"({"code":"unsupported","title":"no such method"})");
        const auto result = what(seen, error);
        if (result != SIGRUN_PENDING) *id = 0;
        return result;
    }
    void listen_tcp() {
        tcp_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t n = sizeof a;
        if (bind(tcp_, reinterpret_cast<sockaddr*>(&a), n) || listen(tcp_, 64) ||
            getsockname(tcp_, reinterpret_cast<sockaddr*>(&a), &n))
            throw std::runtime_error("listen");
        port_ = ntohs(a.sin_port);
    }
    void listen_unix() {
        unix_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        std::strncpy(a.sun_path, socket_path().c_str(), sizeof a.sun_path - 1);
        if (bind(unix_, reinterpret_cast<sockaddr*>(&a), sizeof a) || listen(unix_, 64))
            throw std::runtime_error("listen");
    }
    void stop_accepting() {
        shutdown(tcp_, SHUT_RDWR);
        shutdown(unix_, SHUT_RDWR);
        for (auto& t : acceptors_) t.join();
        acceptors_.clear();
    }
    void accept_from(int listener, bool local) {
        for (;;) {
            const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) return;
            auto* newer = successor.load();
            (newer ? newer : this)->hand_over(fd, local);
        }
    }
    void hand_over(int fd, bool local) {
        const auto lifetime = host.mint();
        std::uint64_t session = 0;
        {
            std::lock_guard lock(mutex_);
            lifetimes_.push_back(lifetime);
            session = ++sessions_;
        }
        const sigrun_accept accept{
            sizeof accept,         fd,      local ? static_cast<std::uint32_t>(SIGRUN_ACCEPT_UNIX) : 0u,
            local ? getuid() : 0u, session, sdk::str("test"),
            sdk::str("test"),      {}};
        if (table->serve->on_accept(instance, &accept, lifetime) < 0) {
            host.forget(lifetime);
            close(fd);
        }
    }

    std::string folder_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, answer> answers_;
    std::vector<seen_call> calls_;
    std::vector<std::uint64_t> ended_;
    std::vector<sigrun_op> lifetimes_;
    std::size_t resumed_ = 0;
    std::uint64_t sessions_ = 0;
    int tcp_ = -1;
    int unix_ = -1;
    std::uint16_t port_ = 0;
    std::vector<std::thread> acceptors_;
};

/// Output of a command; throws if it cannot be started.
inline std::string output_of(const std::string& command) {
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) throw std::runtime_error("popen");
    std::string out;
    char room[4096];
    while (const auto n = fread(room, 1, sizeof room, pipe)) out.append(room, n);
    pclose(pipe);
    return out;
}

}  // namespace sigrun::http::testing
