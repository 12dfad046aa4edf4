#include "resolver.hpp"

#include <netdb.h>
#include <sys/un.h>

#include <cstring>
#include <memory>

namespace sigrun::valkyrie {

namespace {
std::vector<address> look_up(const endpoint& where, int flags, std::string& why) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* list = nullptr;
    int r = getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &list);
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, [](addrinfo* p) {
        if (p) freeaddrinfo(p);
    });
    std::vector<address> out;
    if (r != 0) {
        why = sdk::concat("the name '", where.host, "' cannot be resolved: ", gai_strerror(r));
        return out;
    }
    for (auto* p = list; p && out.size() < 16; p = p->ai_next) {
        address a;
        if (p->ai_addrlen > sizeof a.storage) continue;
        std::memcpy(&a.storage, p->ai_addr, p->ai_addrlen);
        a.size = p->ai_addrlen;
        out.push_back(a);
    }
    return out;
}

address unix_address(const std::string& path) {
    address a;
    auto* sun = reinterpret_cast<sockaddr_un*>(&a.storage);
    sun->sun_family = AF_UNIX;
    std::memcpy(sun->sun_path, path.c_str(), path.size() + 1);
    a.size = sizeof(sockaddr_un);
    return a;
}
}  // namespace

resolver::~resolver() { stop(); }

void resolver::resolve(const endpoint& where, answer done) {
    std::string why;
    if (!where.path.empty()) return done({unix_address(where.path)}, why);
    if (auto numeric = look_up(where, AI_NUMERICHOST, why); !numeric.empty()) return done(std::move(numeric), "");
    {
        std::lock_guard lock(mutex_);
        if (!stopped_) {
            waiting_.push_back({where, std::move(done)});
            if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
            changed_.notify_one();
            return;
        }
    }
    done({}, "the plugin is stopping");
}

void resolver::run() {
    sdk::thread_scope scope(host_, "vlk-resolve");
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        auto request = std::move(waiting_.front());
        waiting_.pop_front();
        bool refuse = stopped_;
        lock.unlock();
        std::string why = "the plugin is stopping";
        std::vector<address> found;
        if (!refuse) found = look_up(request.where, 0, why);
        request.done(std::move(found), std::move(why));
        request = {};
        lock.lock();
    }
}

void resolver::stop() {
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

}  // namespace sigrun::valkyrie
