#include "resolver.hpp"

#include "loop.hpp"

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

resolver::resolver(const sdk::host& host)
    : resolver(host, [](const endpoint& where, std::string& why) { return look_up(where, 0, why); }) {}

resolver::~resolver() { stop(); }

void resolver::resolve(const endpoint& where, std::uint64_t deadline, answer done) {
    std::string why;
    if (!where.path.empty()) return done({unix_address(where.path)}, why);
    if (auto numeric = look_up(where, AI_NUMERICHOST, why); !numeric.empty()) return done(std::move(numeric), "");
    {
        std::lock_guard lock(mutex_);
        if (!stopped_) {
            for (auto& q : open_) {
                if (q->where.host != where.host || q->where.port != where.port) continue;
                q->askers.push_back({deadline, std::move(done)});
                return;
            }
            auto q = std::make_shared<question>();
            q->where = where;
            q->askers.push_back({deadline, std::move(done)});
            open_.push_back(q);
            waiting_.push_back(std::move(q));
            if (idle_ < waiting_.size() && threads_.size() < k_threads) threads_.emplace_back([this] { run(); });
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
        ++idle_;
        changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
        --idle_;
        if (waiting_.empty()) return;
        auto next = std::move(waiting_.front());
        waiting_.pop_front();
        work_on(next, lock);
    }
}

void resolver::work_on(const question_ptr& q, std::unique_lock<std::mutex>& lock) {
    // Those whose deadline has passed are answered, but nothing is looked up for them alone.
    const auto now = now_ns();
    bool wanted = false;
    for (const auto& a : q->askers) wanted |= a.deadline > now;
    std::string why = stopped_ ? "the plugin is stopping" : "the name was not resolved before the deadline";
    std::vector<address> found;
    if (wanted && !stopped_) {
        ++running_;
        lock.unlock();
        why.clear();
        found = lookup_(q->where, why);
        lock.lock();
        --running_;
    }
    std::erase(open_, q);
    auto askers = std::move(q->askers);
    lock.unlock();
    for (auto& a : askers) a.done(found, why);
    askers.clear();
    lock.lock();
}

void resolver::stop() {
    std::vector<std::thread> threads;
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
        threads.swap(threads_);
        changed_.notify_all();
    }
    for (auto& t : threads) t.join();
}

}  // namespace sigrun::valkyrie
