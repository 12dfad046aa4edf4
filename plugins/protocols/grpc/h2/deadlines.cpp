// What a connection waits for, and for how long.
#include "h2/connection.hpp"

#include <sys/epoll.h>

#include <cstring>

namespace sigrun::grpc {

namespace {
constexpr int k_max_unanswered = 2;
}

void connection::arm_deadlines() {
    std::uint64_t next = ~std::uint64_t{0};
    auto earlier = [&](std::uint64_t when) {
        if (when) next = std::min(next, when);
    };
    if (phase_ == phase::handshake) earlier(handshake_deadline_);
    if (phase_ == phase::lingering) earlier(linger_deadline_);
    if (phase_ == phase::open) {
        earlier(peer_deadline());
        earlier(next_deadline());
        const auto read_timeout = ns(shared_->options.now().read_timeout);
        for (const auto& [id, s] : streams_) {
            earlier(s->deadline());
            if (read_timeout && s->in_.unfinished()) earlier(s->heard_ + read_timeout);
        }
    }
    if (next != ~std::uint64_t{0}) loop_.arm(*this, std::max(next, loop_.now() + 1'000'000));
}

void connection::on_deadline(std::uint64_t now) {
    if (phase_ == phase::dead) return;
    const auto keep = shared_from_this();
    if (phase_ == phase::lingering) {
        if (now >= linger_deadline_) return release();
    } else if (phase_ == phase::handshake) {
        if (now >= handshake_deadline_)
            return end(SIGRUN_E_TIMEOUT, NGHTTP2_SETTINGS_TIMEOUT,
                       first_bytes_seen_ ? "HTTP/2 SETTINGS did not come before the deadline"
                                         : "the peer is silent: no HTTP/2 SETTINGS before the deadline");
    } else {
        const auto read_timeout = ns(shared_->options.now().read_timeout);
        each_stream([&](stream& s) {
            if (const auto due = s.deadline(); due && now >= due) s.on_deadline(now);
            if (read_timeout && !s.gone_ && !s.malformed_ && !s.held_ && s.in_.unfinished() &&
                now >= s.heard_ + read_timeout) {
                s.malformed_ = true;
                s.on_malformed({code::deadline_exceeded, "a message stopped half-way for read_timeout", {}});
            }
        });
        if (phase_ == phase::open) watch_peer(now);
        if (phase_ == phase::open) more_deadlines(now);
    }
    if (phase_ != phase::dead) {
        arm_deadlines();
        loop_.flush_soon(*this);
    }
}

/// When watch_peer has something to do; 0 = never.
std::uint64_t connection::peer_deadline() const noexcept {
    const auto& o = shared_->options.now();
    std::uint64_t next = ~std::uint64_t{0};
    if (blocked_since_ && ns(o.write_timeout)) next = std::min(next, blocked_since_ + ns(o.write_timeout));
    if (ns(o.ping_interval)) next = std::min(next, std::max(heard_, asked_) + ns(o.ping_interval));
    return next == ~std::uint64_t{0} ? 0 : next;
}

/// Ends the connection if the peer takes nothing, or is gone.
void connection::watch_peer(std::uint64_t now) {
    const auto& o = shared_->options.now();
    if (const auto limit = ns(o.write_timeout); limit && blocked_since_ && now >= blocked_since_ + limit)
        return end(SIGRUN_E_TIMEOUT, NGHTTP2_ENHANCE_YOUR_CALM,
                   "the peer does not read: it took nothing for write_timeout");
    const auto interval = ns(o.ping_interval);
    if (!interval || now < std::max(heard_, asked_) + interval) return;
    asked_ = now;
    // Nobody waits for an idle peer; idle_timeout ends it. One that is not read cannot be heard.
    if (!(interest_ & EPOLLIN) || streams_.empty()) return;
    if (++unanswered_ > k_max_unanswered)
        return end(SIGRUN_E_TIMEOUT, NGHTTP2_NO_ERROR, "the peer is silent: it did not answer PING");
    const std::uint8_t opaque[8] = {};
    nghttp2_submit_ping(h2_, NGHTTP2_FLAG_NONE, opaque);
    loop_.flush_soon(*this);
}

}  // namespace sigrun::grpc
