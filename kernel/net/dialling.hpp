// One connection that is being opened: the address found, the race run. On the network's loop.
#pragma once

#include "kernel/net/connect_race.hpp"
#include "kernel/net/network.hpp"

#include <boost/asio/steady_timer.hpp>

#include <memory>

namespace sigrun {

class dialling : public std::enable_shared_from_this<dialling> {
public:
    dialling(boost::asio::io_context& loop, std::shared_ptr<name_lookup> names, net_address where, dial_target target,
             network::answer done);
    std::uint64_t owner() const noexcept { return target_.owner; }
    /// [loop] The answer comes on the loop, maybe before this returns.
    void start();
    /// [loop] Ends it with this, unless it has ended.
    void give_up(problem why);

private:
    void look_up(const net_address& where);
    void connect(std::vector<socket_address> addresses);
    void connected(connect_race::winner won);
    void give(result<dialled> outcome);

    boost::asio::io_context& loop_;
    std::shared_ptr<name_lookup> names_;
    const net_address where_;
    const dial_target target_;
    network::answer done_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<connect_race> race_;
    time_point begun_{};
};

}  // namespace sigrun
