#include "dial/resolve.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <netdb.h>
#include <sys/socket.h>

namespace sigrun::http {
namespace {

constexpr std::size_t k_max_addresses = 8;

struct lookup {
    loop& where;
    std::shared_ptr<lookups> count;
    std::string name;
    std::string port;
    std::function<void(std::vector<socket_address>, std::string)> done;
};

void look_up(void* ctx) {
    std::unique_ptr<lookup> job(static_cast<lookup*>(ctx));
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(job->name.c_str(), job->port.c_str(), &hints, &found);
    std::vector<socket_address> addresses;
    for (const addrinfo* a = found; a && addresses.size() < k_max_addresses; a = a->ai_next)
        addresses.emplace_back(a->ai_addr, a->ai_addrlen, 0);
    if (found) freeaddrinfo(found);
    std::string why;
    if (error) why = sdk::concat("cannot resolve ", job->name, ": ", gai_strerror(error));
    job->where.post([done = std::move(job->done), addresses = std::move(addresses), why = std::move(why)]() mutable {
        done(std::move(addresses), std::move(why));
    });
    job->count->running.fetch_sub(1);
}

}  // namespace

void resolve(const sdk::host& host, loop& where, const std::shared_ptr<lookups>& count, const endpoint& at,
             std::function<void(std::vector<socket_address>, std::string why)> done) {
    std::vector<socket_address> known;
    boost::system::error_code ec;
    if (!at.unix_path.empty()) {
        known.emplace_back(asio::local::stream_protocol::endpoint(at.unix_path));
    } else if (const auto address = asio::ip::make_address(at.host, ec); !ec) {
        known.emplace_back(asio::ip::tcp::endpoint(address, at.port));
    }
    if (!known.empty()) {
        where.post([done = std::move(done), known = std::move(known)] { done(known, {}); });
        return;
    }
    auto job = std::make_unique<lookup>(lookup{where, count, at.host, std::to_string(at.port), std::move(done)});
    count->running.fetch_add(1);
    if (host.sched()->post(host.abi(), SIGRUN_LANE_WORK, &look_up, job.get()) == SIGRUN_OK) {
        job.release();
        return;
    }
    count->running.fetch_sub(1);
    where.post([done = std::move(job->done)] { done({}, "the host has no thread for a name lookup"); });
}

}  // namespace sigrun::http
