#include "kernel/net/name_lookup.hpp"

#include <netdb.h>
#include <pthread.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_idle{30};  // a thread without work ends after it

problem too_late() { return make_problem(errc::timeout, "the name was not looked up before the deadline"); }

result<name_lookup::addresses> look_up(const std::string& name) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int error = getaddrinfo(name.c_str(), nullptr, &hints, &list);
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, [](addrinfo* p) {
        if (p) freeaddrinfo(p);
    });
    name_lookup::addresses out;
    for (auto* p = list; p && out.size() < name_lookup::k_max_addresses; p = p->ai_next) {
        socket_address a;
        if (p->ai_addrlen > sizeof a.storage || (p->ai_family != AF_INET && p->ai_family != AF_INET6)) continue;
        std::memcpy(&a.storage, p->ai_addr, p->ai_addrlen);
        a.size = p->ai_addrlen;
        out.push_back(a);
    }
    if (!out.empty()) return out;
    const bool unknown = error == EAI_NONAME || error == EAI_NODATA || error == 0;
    return make_problem(unknown ? errc::not_found : errc::io, "the name '" + name + "' cannot be resolved: " +
                                                                  (error ? gai_strerror(error) : "no addresses"));
}

}  // namespace

struct name_lookup::state : std::enable_shared_from_this<state> {
    struct asker {
        time_point deadline;
        answer done;
    };

    const resolver look_up;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::string> waiting;                   // names whose lookup has not begun
    std::map<std::string, std::vector<asker>> askers;  // by name, begun or not
    std::size_t threads = 0, idle = 0, telling = 0;
    bool stopped = false;

    explicit state(resolver how) : look_up(std::move(how)) {}

    static void tell(std::vector<asker>& all, const result<addresses>& outcome) {
        for (auto& each : all) each.done(outcome);
    }

    /// Takes out whom nothing can help any more. Under the lock.
    static std::vector<asker> take_late(std::vector<asker>& all) {
        std::vector<asker> late;
        const auto now = std::chrono::steady_clock::now();
        for (auto it = all.begin(); it != all.end();) {
            if (it->deadline > now) {
                ++it;
                continue;
            }
            late.push_back(std::move(*it));
            it = all.erase(it);
        }
        return late;
    }

    void run() {
        pthread_setname_np(pthread_self(), "sigrun-names");
        std::unique_lock lock(mutex);
        while (!stopped) {
            if (waiting.empty()) {
                ++idle;
                const bool woken = changed.wait_for(lock, k_idle, [this] { return stopped || !waiting.empty(); });
                --idle;
                if (!woken) break;
                continue;
            }
            auto name = std::move(waiting.front());
            waiting.pop_front();
            work_on(name, lock);
        }
        --threads;
    }

    void work_on(const std::string& name, std::unique_lock<std::mutex>& lock) {
        auto late = take_late(askers[name]);
        const bool wanted = !askers[name].empty();
        ++telling;
        lock.unlock();
        tell(late, too_late());
        lock.lock();
        --telling;
        lock.unlock();
        changed.notify_all();
        result<addresses> outcome = too_late();
        if (wanted) outcome = look_up(name);
        lock.lock();
        auto node = askers.extract(name);
        if (node.empty()) return;  // stopped meanwhile
        ++telling;
        lock.unlock();
        tell(node.mapped(), outcome);
        node = {};
        lock.lock();
        --telling;
        changed.notify_all();
    }
};

name_lookup::name_lookup(resolver look_up) : state_(std::make_shared<state>(std::move(look_up))) {}

name_lookup::~name_lookup() { stop(); }

name_lookup::resolver name_lookup::system_resolver() { return &look_up; }

void name_lookup::ask(const std::string& name, time_point deadline, answer done) {
    std::vector<state::asker> late;
    {
        std::lock_guard lock(state_->mutex);
        if (!state_->stopped) {
            const auto [known, fresh] = state_->askers.try_emplace(name);
            late = state::take_late(known->second);  // so that their number stays bounded while a lookup hangs
            known->second.push_back({deadline, std::exchange(done, nullptr)});
            if (fresh) state_->waiting.push_back(name);
            if (state_->idle < state_->waiting.size() && state_->threads < k_threads) {
                try {
                    std::thread([s = state_] { s->run(); }).detach();
                    ++state_->threads;
                } catch (const std::system_error&) {
                    // No more threads to be had: those that run take it, or its deadline comes.
                }
            }
            state_->changed.notify_one();
        }
    }
    state::tell(late, too_late());
    if (done) done(program_stopping());
}

void name_lookup::stop() {
    std::map<std::string, std::vector<state::asker>> all;
    {
        std::unique_lock lock(state_->mutex);
        state_->stopped = true;
        state_->waiting.clear();
        all.swap(state_->askers);
        state_->changed.notify_all();
        state_->changed.wait(lock, [this] { return state_->telling == 0; });
    }
    for (auto& [name, askers] : all) state::tell(askers, program_stopping());
}

}  // namespace sigrun
