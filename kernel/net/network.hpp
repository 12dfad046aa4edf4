// Connections that are opened for plugins: name lookup, several addresses, proxies, TLS, deadlines. One thread of its own,
// which begins with the first use, and which also carries the bytes of encrypted connections.
#pragma once

#include "kernel/net/net_options.hpp"
#include "kernel/net/socket_address.hpp"
#include "kernel/net/unique_fd.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sigrun {

struct dial_request {
    std::string address;  // "name:port", "192.0.2.1:port", "[2001:db8::1]:port", "unix:/path"
    bool tls = false;
    std::string alpn;         // comma separated, best first; a peer that takes none of them is an error
    std::string options;      // of the endpoint: its member "tls"
    time_point deadline{};    // none: the network's own limit
    std::uint64_t owner = 0;  // the generation it is for
};

struct dialled {
    unique_fd fd;                // stream socket, non-blocking, close-on-exec
    bool local = false;          // a UNIX socket
    bool tls = false;            // encrypted: fd carries what was decrypted
    nanoseconds connect_time{};  // from the first packet to the end of the last handshake
    std::string alpn;            // agreed on
    std::string peer;
};

class network {
public:
    using answer = std::function<void(result<dialled>)>;

    explicit network(net_options options = {});
    ~network();  // stop()
    network(const network&) = delete;
    network& operator=(const network&) = delete;

    /// [any] For what is dialled from now on.
    void set_policy(net_policy policy);
    /// [any] A problem: the target cannot be understood, or there are too many at once; then `done` is not called. Else it is
    /// called once on the network's thread, perhaps before this returns; it must not block.
    result<std::uint64_t> dial(dial_request target, answer done);
    /// [any] `done` follows with errc::cancelled, unless it was called or is being called with something else.
    void cancel(std::uint64_t id, std::uint64_t owner);
    /// [any] The same for all of an owner.
    void cancel_all(std::uint64_t owner);
    /// [any] Being opened.
    std::size_t dials() const noexcept;
    /// [any] Encrypted ones that are open.
    std::size_t encrypted() const noexcept;
    /// True on the network's own thread.
    bool here() const noexcept;
    /// Everything ends with errc::cancelled; the thread is joined. Idempotent; not from the network's thread.
    void stop();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun
