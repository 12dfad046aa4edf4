#include "dial/dial_table.hpp"

#include <vector>

namespace sigrun::websocket {

void dial_table::start(const sdk::net& net, const sdk::net_target& to, sdk::net_done done) {
    std::uint64_t number = 0;
    {
        std::lock_guard lock(mutex_);
        if (stopping_) throw sdk::failure(SIGRUN_E_CANCELLED, "the plugin is going away");
        number = ++last_;
        open_.emplace(number, 0);
    }
    auto finished = [this, number, done = std::move(done)](sigrun_result result, sdk::net_connection opened,
                                                           std::string why) {
        done(result, std::move(opened), std::move(why));
        std::lock_guard lock(mutex_);
        open_.erase(number);
        changed_.notify_all();
    };
    std::uint64_t id = 0;
    try {
        id = net.dial(to, std::move(finished));
    } catch (...) {
        std::lock_guard lock(mutex_);
        open_.erase(number);
        changed_.notify_all();
        throw;
    }
    bool give_up = false;
    {
        std::lock_guard lock(mutex_);
        const auto found = open_.find(number);
        if (found == open_.end()) return;
        found->second = id;
        give_up = stopping_;
    }
    if (give_up) net.cancel(id);
}

void dial_table::cancel_all(const sdk::net& net) {
    std::vector<std::uint64_t> ids;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [number, id] : open_)
            if (id) ids.push_back(id);
    }
    for (auto id : ids) net.cancel(id);
}

void dial_table::stop(const sdk::net& net) {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    cancel_all(net);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_.empty(); });
}

}  // namespace sigrun::websocket
