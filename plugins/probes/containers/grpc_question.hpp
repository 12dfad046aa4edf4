// Calls without arguments to a gRPC server on a UNIX socket.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>

#include <string>
#include <vector>

namespace sigrun::containers {

using unix_stream = boost::beast::basic_stream<boost::asio::local::stream_protocol>;

struct grpc_reply {
    std::string trouble;     // why there is no answer; then the rest means nothing
    std::size_t method = 0;  // which one answered
    int status = -1;         // grpc-status
    std::string message;     // the bytes of the answer, without its prefix
};

/// Calls the first of `methods` ("/package.Service/Method") that the server has, one after another. The stream's expiry ends it. An
/// answer of at most 64 KiB is read. The stream is of no use afterwards.
boost::asio::awaitable<grpc_reply> ask_grpc(unix_stream& connection, std::vector<std::string> methods);

}  // namespace sigrun::containers
