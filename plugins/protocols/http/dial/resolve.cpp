#include "dial/resolve.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

namespace sigrun::http {

void resolve(loop& where, name_lookups& names, const endpoint& at, time_point deadline,
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
    names.ask(where, at.host, deadline,
              [done = std::move(done), port = at.port](const name_lookups::addresses& found, const std::string& why) {
                  std::vector<socket_address> out;
                  for (const auto& address : found) out.emplace_back(asio::ip::tcp::endpoint(address, port));
                  done(std::move(out), why);
              });
}

}  // namespace sigrun::http
