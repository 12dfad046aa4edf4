// Connections that the host is opening for this instance. It remembers them, so that an instance that goes can give them up and
// wait for the host's last word. Thread-safe.
#pragma once

#include <sigrun/cpp/net.hpp>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>

namespace sigrun::websocket {

class dial_table {
public:
    /// [any] As sdk::net::dial; `done` runs on a thread of the host. Throws sdk::failure.
    void start(const sdk::net& net, const sdk::net_target& to, sdk::net_done done);
    /// [any] Gives up those that are under way.
    void cancel_all(const sdk::net& net);
    /// [ctl] Gives all of them up, and those that still begin; returns when no `done` runs or will run.
    void stop(const sdk::net& net);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::uint64_t, std::uint64_t> open_;  // own number -> the host's, 0 = not known yet
    std::uint64_t last_ = 0;
    bool stopping_ = false;
};

}  // namespace sigrun::websocket
