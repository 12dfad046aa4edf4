// sigrun/cpp/net.hpp: opening connections through the host, for C++ plugins. See sigrun/net.h.
#pragma once

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/host.hpp>
#include <sigrun/net.h>

#include <functional>
#include <memory>
#include <string>

namespace sigrun::sdk {

struct net_target {
    std::string address;  // as sigrun_net_target.address
    bool tls = false;
    std::string alpn;
    std::string options;
    std::uint64_t deadline_ns = 0;
};

struct net_connection {
    int fd = -1;  // the receiver's own
    bool tls = false;
    bool local = false;  // a UNIX socket
    std::uint64_t connect_ns = 0;
    std::string alpn;
    std::string peer;
};

/// Called once, on a thread of the host: hop to your own loop. With a result other than OK, fd is -1 and `why` has the reason.
using net_done = std::function<void(sigrun_result result, net_connection opened, std::string why)>;

/// Opens connections; cheap to copy. The host must outlive it.
class net {
public:
    net() = default;
    /// Throws failure if the host has no sigrun.host.net/1.
    explicit net(const host& h) : host_(h.abi()), table_(h.service(SIGRUN_SVC_NET, &sigrun_svc_net::cancel)) {
        if (!table_) throw failure(SIGRUN_E_UNSUPPORTED, "this host has no service sigrun.host.net/1");
    }

    /// [any] Throws failure for a target that cannot be understood or if there are too many; then `done` is not called.
    std::uint64_t dial(const net_target& to, net_done done) const {
        sigrun_net_target target{sizeof target,   to.tls ? std::uint32_t{SIGRUN_NET_TLS} : 0u,
                                 str(to.address), str(to.alpn),
                                 str(to.options), to.deadline_ns};
        auto kept = std::make_unique<net_done>(std::move(done));
        std::uint64_t id = 0;
        error_text error;
        if (auto r = table_->dial(host_, &target, &called, kept.get(), &id, &error.abi); r < 0)
            throw failure(r, std::string(error.text()));
        kept.release();
        return id;
    }
    /// [any] `done` follows with E_CANCELLED unless it came, or is coming, with something else.
    void cancel(std::uint64_t id) const noexcept { table_->cancel(host_, id); }

private:
    static void called(void* ctx, sigrun_result result, const sigrun_connection* c,
                       const sigrun_error* error) noexcept {
        std::unique_ptr<net_done> done(static_cast<net_done*>(ctx));
        net_connection opened;
        if (result == SIGRUN_OK && c)
            opened = {c->fd,         (c->flags & SIGRUN_NET_TLS) != 0, (c->flags & SIGRUN_NET_UNIX) != 0,
                      c->connect_ns, std::string(view(c->alpn)),       std::string(view(c->peer))};
        std::string why;
        if (error && error->msg) why.assign(error->msg, error->msg_len);
        (*done)(result, std::move(opened), std::move(why));
    }

    const sigrun_host* host_ = nullptr;
    const sigrun_svc_net* table_ = nullptr;
};

}  // namespace sigrun::sdk
