// TLS for connections that were accepted: handshakes with deadlines, the bytes carried afterwards, and the certificate, which
// is read again when its files change. One thread of its own, from the first use.
//
// A new pair that cannot be used leaves the old one in place; connections that are open keep what they began with.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/metrics/metrics.hpp"
#include "kernel/net/tls_context.hpp"
#include "kernel/net/unique_fd.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

struct tls_accepted {
    unique_fd fd;      // carries what was decrypted
    std::string alpn;  // agreed on; empty = the client asked for nothing
    std::string name;  // in the client's verified certificate; empty = it showed none
};

class tls_server {
public:
    using answer = std::function<void(result<tls_accepted>)>;
    struct hooks {
        /// The files changed: in use now (ok), or the reason why they are not. On the server's thread.
        std::function<void(const result<void>&)> reloaded{};
    };
    static constexpr std::size_t k_max_handshakes = 4096;
    static constexpr std::chrono::seconds k_look{2};  // how often the files are looked at

    tls_server(metrics& numbers, hooks with);
    ~tls_server();  // stop()
    tls_server(const tls_server&) = delete;
    tls_server& operator=(const tls_server&) = delete;

    /// [any] Reads the files; a problem leaves everything as it is. Options without a certificate switch TLS off.
    result<void> configure(const tls_server_options& options);
    /// [any] What clients may ask for by ALPN, best first.
    void set_protocols(std::vector<std::string> alpn);
    /// [any]
    bool enabled() const noexcept;
    /// [any] `done` runs once on the server's thread. Too many at once, and after stop: before this returns.
    void accept(unique_fd fd, time_point deadline, answer done);
    /// [any] Encrypted connections that are open.
    std::size_t open() const noexcept;
    /// Ends all of them; no hook runs once it returns.
    void stop();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace sigrun
