// A peer's HTTP service: a few keep-alive connections and bounded queues in front of them. On one loop.
#pragma once

#include "dial/client_connection.hpp"

#include <array>
#include <deque>
#include <memory>
#include <vector>

namespace sigrun::http {

class client : public std::enable_shared_from_this<client> {
public:
    client(loop& where, client_settings settings, std::size_t max_connections);

    const endpoint& peer() const noexcept { return settings_->peer; }
    /// [loop] Always ends in request->on_done, maybe before it returns. A request whose deadline passes while
    /// it waits for a connection ends with fault::timeout.
    void send(request_ptr request);
    /// [loop] Its on_data can take more.
    void resume(const request_ptr& request);
    /// [loop] Ends one request with fault::cancelled.
    void cancel(const request_ptr& request, std::string_view why);
    /// [loop] Closes connections for calls that carry none: the next ones are new.
    void drop_idle();
    /// [loop] Ends everything with fault::cancelled; later requests end the same way.
    void close();
    /// [loop] Ends queued requests whose deadline has passed.
    void tick(time_point now);

private:
    std::shared_ptr<client_connection> take(lane over);
    void next();
    void start(const std::shared_ptr<client_connection>& with, request_ptr request);
    static void fail(const request_ptr& request, fault what, std::string why);

    loop& loop_;
    std::shared_ptr<const client_settings> settings_;
    std::size_t max_connections_;
    bool closed_ = false;
    std::vector<std::shared_ptr<client_connection>> connections_;
    std::array<std::deque<request_ptr>, 3> queues_;  // by lane
};

}  // namespace sigrun::http
