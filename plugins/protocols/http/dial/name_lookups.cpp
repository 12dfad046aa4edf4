#include "dial/name_lookups.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <netdb.h>
#include <sys/socket.h>

#include <cstring>

namespace sigrun::http {
namespace {
constexpr std::size_t k_max_addresses = 8;
constexpr const char* k_stopped = "the plugin is going away";
constexpr const char* k_late = "the name lookup could not begin before the deadline";
}  // namespace

name_lookups::name_lookups(const sdk::host& host, resolver look_up) : host_(host), look_up_(std::move(look_up)) {}

name_lookups::addresses name_lookups::system_resolver(const std::string& name, std::string& why) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found);
    addresses out;
    for (const addrinfo* a = found; a && out.size() < k_max_addresses; a = a->ai_next) {
        asio::ip::tcp::endpoint e;
        if (a->ai_addrlen > e.capacity()) continue;
        std::memcpy(e.data(), a->ai_addr, a->ai_addrlen);
        out.push_back(e.address());
    }
    if (found) freeaddrinfo(found);
    if (error) why = sdk::concat("cannot resolve ", name, ": ", gai_strerror(error));
    if (!error && out.empty()) why = sdk::concat("cannot resolve ", name, ": no addresses");
    return out;
}

void name_lookups::tell(asker& who, const addresses& found, const std::string& why) {
    who.where->post([done = std::move(who.done), found, why] { done(found, why); });
}

void name_lookups::forget_late(std::vector<asker>& askers) {
    const auto now = clock::now();
    for (auto it = askers.begin(); it != askers.end();) {
        if (it->deadline > now) {
            ++it;
            continue;
        }
        tell(*it, {}, k_late);
        it = askers.erase(it);
    }
}

void name_lookups::ask(loop& where, const std::string& name, time_point deadline, answer done) {
    std::lock_guard lock(mutex_);
    asker who{&where, deadline, std::move(done)};
    if (stopped_) return tell(who, {}, k_stopped);
    if (deadline <= clock::now()) return tell(who, {}, k_late);
    const auto [known, fresh] = askers_.try_emplace(name);
    forget_late(known->second);  // so that their number stays bounded while a lookup hangs
    known->second.push_back(std::move(who));
    if (!fresh) return;
    queue_.push_back(name);
    if (workers_ < k_at_once) start_worker();
}

void name_lookups::start_worker() {
    ++workers_;
    running_.fetch_add(1);
    const auto run = [](void* self) { static_cast<name_lookups*>(self)->work(); };
    if (host_.sched()->post(host_.abi(), SIGRUN_LANE_WORK, run, this) == SIGRUN_OK) return;
    --workers_;
    running_.fetch_sub(1);
    if (workers_ > 0) return;  // another one takes it
    for (const auto& name : std::exchange(queue_, {})) {
        auto askers = askers_.extract(name);
        for (auto& who : askers.mapped()) tell(who, {}, "the host has no thread for a name lookup");
    }
}

/// The next name somebody still waits for. False, and the worker is counted out, if there is none.
bool name_lookups::next(std::string& name) {
    std::lock_guard lock(mutex_);
    while (!queue_.empty()) {
        name = std::move(queue_.front());
        queue_.pop_front();
        const auto waiting = askers_.find(name);
        forget_late(waiting->second);
        if (!waiting->second.empty()) return true;
        askers_.erase(waiting);
    }
    --workers_;
    return false;
}

void name_lookups::work() {
    for (std::string name; next(name);) {
        std::string why;
        const auto found = look_up_(name, why);
        std::lock_guard lock(mutex_);
        auto askers = askers_.extract(name);
        if (askers.empty()) continue;  // stopped meanwhile
        for (auto& who : askers.mapped()) tell(who, found, why);
    }
    running_.fetch_sub(1);  // the last touch: the plugin may go now
}

void name_lookups::stop() {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    queue_.clear();
    for (auto& [name, askers] : std::exchange(askers_, {}))
        for (auto& who : askers) tell(who, {}, k_stopped);
}

}  // namespace sigrun::http
