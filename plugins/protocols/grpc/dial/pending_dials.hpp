// The dials the host has not answered yet, so that they can be given up when the instance goes.
#pragma once

#include <sigrun/cpp/net.hpp>

#include <map>
#include <mutex>

namespace sigrun::grpc {

class pending_dials {
public:
    explicit pending_dials(const sdk::host& h) : net_(h) {}

    /// [any] As net::dial. Throws sdk::failure(E_CANCELLED) after end().
    void dial(const sdk::net_target& to, sdk::net_done done) {
        std::uint64_t mine = 0;
        {
            std::lock_guard lock(mutex_);
            if (ended_) throw sdk::failure(SIGRUN_E_CANCELLED, "the plugin is stopping");
            mine = ++last_;
            open_[mine] = 0;
        }
        auto answered = [this, mine, then = std::move(done)](sigrun_result result, sdk::net_connection made,
                                                             std::string why) {
            forget(mine);  // before the answer, after which this object may be gone
            then(result, std::move(made), std::move(why));
        };
        std::uint64_t id = 0;
        try {
            id = net_.dial(to, std::move(answered));
        } catch (...) {
            forget(mine);
            throw;
        }
        std::lock_guard lock(mutex_);
        const auto found = open_.find(mine);
        if (found == open_.end()) return;  // answered already
        found->second = id;
        if (ended_) net_.cancel(id);
    }
    /// [any] Gives up what is open; the answers still come.
    void end() {
        std::lock_guard lock(mutex_);
        ended_ = true;
        for (const auto& [mine, id] : open_)
            if (id) net_.cancel(id);
    }

private:
    void forget(std::uint64_t mine) {
        std::lock_guard lock(mutex_);
        open_.erase(mine);
    }

    const sdk::net net_;
    std::mutex mutex_;
    std::map<std::uint64_t, std::uint64_t> open_;  // our number -> the host's; 0 = not known yet
    std::uint64_t last_ = 0;
    bool ended_ = false;
};

}  // namespace sigrun::grpc
