// Listening sockets and recognition: the kernel owns them, peeks at the first bytes of each connection, asks
// the protocol plugins in order, and hands the descriptor over with all bytes unread. One thread, epoll,
// edge-triggered for waiting connections: unread bytes keep a level-triggered poll ready for ever.
//
// A connection that begins with TLS goes to the tls_server, if there is one, and comes back as a descriptor that carries what
// was decrypted; then it is looked at as any other. What both sides agreed on by ALPN leaves only the protocols that have it.
//
// An earlier protocol that needs more bytes is waited for although a later one says OK; at the deadline, the
// limit or the end of the peer's bytes the first OK has it.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/metrics/metrics.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <memory>
#include <string>
#include <vector>

namespace sigrun {

struct listener_options {
    std::vector<std::string> addresses;       // "127.0.0.1:7070", "[::1]:7070", "unix:/run/sigrun.sock"; port 0 = any
    std::vector<std::string> protocol_order;  // names asked first; the rest follow in load order
    std::vector<std::string> only;            // serve no others; empty = all
    std::size_t peek_limit = 16 * 1024;
    nanoseconds peek_deadline = std::chrono::seconds(5);
    std::size_t max_waiting = 4096;  // connections not yet recognised; beyond it the oldest is closed
};

class gate;
class tls_server;

/// Who watches over what is accepted; both optional, and they outlive the listener.
struct listener_guards {
    tls_server* tls = nullptr;
    gate* who = nullptr;  // is told of every connection that is handed over
};

class listener {
public:
    listener(plugin_host& host, metrics& metrics);
    ~listener();
    /// Before start.
    void set_guards(listener_guards guards) noexcept;
    /// [any] Close connections without TLS, unless the gate trusts where they come from.
    void require_tls(bool required) noexcept;
    /// Binds everything or nothing, for the protocols of the plugin host. A problem names the address and
    /// what to do
    /// ("127.0.0.1:7070 is in use by another process; stop it or set [server] listen"). A stale UNIX socket
    /// file is replaced, a live one is an error. Once.
    result<void> start(const listener_options& options);
    /// The same for given protocol instances; those without `serve` are left out.
    result<void> start(const listener_options& options, const std::vector<std::shared_ptr<instance>>& protocols);
    /// Connections that nobody has recognised yet, and all later ones, are offered to `now` where `old` was asked; order and
    /// numbers stay, and nobody who waits is lost. The same with the two exchanged takes it back. True when it is done, or
    /// when `old` takes no connections here; false when the listener's thread did not come to it in time: it will yet,
    /// and holds `old` as long. Not from a plugin's callback.
    /// Without `old`, `now` is one that was not there before; without `now`, nobody comes in the place of `old`.
    bool replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);
    /// The addresses really bound (port 0 resolved), in order.
    std::vector<std::string> bound() const;
    /// Closes the sockets, removes UNIX socket files, joins the thread and lets the instances go; idempotent.
    /// Connections that were handed over stay with their plugins.
    void stop();
    /// The next session number for a connection somebody else opened (tests, dial-in over other ways).
    static std::uint64_t next_session() noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun
