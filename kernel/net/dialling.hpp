// One connection that is being opened: address, race, proxy, handshake. On the network's loop.
#pragma once

#include "kernel/net/connect_race.hpp"
#include "kernel/net/network.hpp"
#include "kernel/net/proxy_tunnel.hpp"
#include "kernel/net/tls_handshake.hpp"

#include <boost/asio/steady_timer.hpp>

#include <memory>

namespace sigrun {

/// What a dial asks of the network around it. [loop]
struct dial_services {
    std::function<result<ssl_context>(const tls_client_options&)> context_for;
    /// Starts to carry the bytes of a connection; the plugin's end.
    std::function<result<unique_fd>(tls_connection)> carry;
};

class dialling : public std::enable_shared_from_this<dialling> {
public:
    dialling(boost::asio::io_context& loop, std::shared_ptr<name_lookup> names, net_address where, dial_request target,
             std::shared_ptr<const net_policy> policy, const dial_services& services, network::answer done);
    std::uint64_t owner() const noexcept { return target_.owner; }
    /// [loop] The answer comes on the loop, maybe before this returns.
    void start();
    /// [loop] Ends it with this, unless it has ended.
    void give_up(problem why);

private:
    void look_up(const net_address& where);
    void connect(std::vector<socket_address> addresses);
    void connected(connect_race::winner won);
    void reached(unique_fd fd);
    void encrypted(tls_connection over);
    void finish(unique_fd fd);
    void give(result<dialled> outcome);

    boost::asio::io_context& loop_;
    std::shared_ptr<name_lookup> names_;
    const net_address where_;
    const dial_request target_;
    const std::shared_ptr<const net_policy> policy_;
    const dial_services& services_;
    tls_client_options tls_;
    std::optional<proxy_server> proxy_;
    network::answer done_;
    boost::asio::steady_timer timer_;
    std::shared_ptr<connect_race> race_;
    std::shared_ptr<proxy_tunnel> tunnel_;
    std::shared_ptr<tls_handshake> handshake_;
    dialled made_;
    time_point begun_{};
};

}  // namespace sigrun
