// A connection the host accepted: its requests, its retirement.
#pragma once

#include "h2/connection.hpp"

#include <sigrun/protocol.h>

namespace sigrun::grpc {

struct method;

struct origin {
    std::uint64_t session = 0;
    std::string auth;  // what the socket itself proves, e.g. "uid 0"
    sigrun_op lifetime = 0;
    std::shared_ptr<void> seat;  // counts among max_connections
};

/// What a request says beside its messages.
struct request_head {
    const method* what = nullptr;
    std::string auth;
    std::uint64_t deadline_ns = 0;         // 0 = none
    std::string request_id, trace_parent;  // of the metadata x-request-id and traceparent; empty: none
};

class accepted final : public connection {
public:
    accepted(core_ptr shared, loop& on, int fd, origin from);

    std::shared_ptr<accepted> self() { return std::static_pointer_cast<accepted>(shared_from_this()); }
    std::uint64_t session() const noexcept { return from_.session; }

    // ---- [loop]
    /// A newer generation takes what is new: tells the peer, once, to go there. What it still sends is served.
    void retire();
    /// The time of a retired connection is over.
    void cut();
    /// Ends it if nothing lives on it.
    void end_if_idle(std::uint32_t h2_error, const std::string& why);

protected:
    std::shared_ptr<stream> make_stream(std::int32_t id, const fields& block) override;
    void on_open() override;
    void on_released() override;
    std::uint64_t next_deadline() const noexcept override;
    void more_deadlines(std::uint64_t now) override;

private:
    std::uint64_t quiet_until() const noexcept;

    const origin from_;
    std::uint64_t retired_at_ = 0;  // the peer was told to go elsewhere; 0 = it was not
    // The peer is Sigrun's own dialling side: it is told by BYE, and calls on over this connection until it has another.
    bool own_peer_ = false;
};

}  // namespace sigrun::grpc
