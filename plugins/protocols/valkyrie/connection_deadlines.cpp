// What a connection waits for, and for how long.
#include "connection.hpp"

#include <sys/epoll.h>

namespace sigrun::valkyrie {

namespace {
constexpr std::uint64_t k_retry_ns = 10'000'000;
constexpr int k_max_unanswered = 2;

std::uint64_t ns(std::chrono::nanoseconds d) noexcept { return static_cast<std::uint64_t>(d.count()); }
}  // namespace

void connection::arm_deadlines() {
    std::uint64_t next = ~std::uint64_t{0};
    auto earlier = [&](std::uint64_t when) {
        if (when) next = std::min(next, when);
    };
    if (phase_ == phase::preface || phase_ == phase::hello) earlier(handshake_deadline_);
    if (phase_ == phase::lingering) earlier(linger_deadline_);
    if (phase_ == phase::open) {
        if (inbox_.holds() && !retry_at_) retry_at_ = loop_.now() + k_retry_ns;
        earlier(watch_deadline_);
        earlier(retry_at_);
        earlier(call_deadline_);
        earlier(peer_deadline());
        earlier(retired_until());
        auto idle = ns(shared_->options.idle_timeout);
        if (idle && from_.side == role::accepted && !inbox_.is_wanted()) earlier(last_activity_ + idle);
    }
    if (next != ~std::uint64_t{0}) loop_.arm(*this, next);
}

void connection::on_deadline(std::uint64_t now) {
    if (phase_ == phase::dead) return;
    if (phase_ == phase::lingering) {
        if (now >= linger_deadline_) return release();
    } else if (phase_ != phase::open) {
        if (now >= handshake_deadline_)
            return end(SIGRUN_E_TIMEOUT, code::timeout,
                       first_bytes_.empty() ? "the peer is silent: no preface before the deadline"
                                            : "the handshake was not finished before the deadline");
    } else {
        if (watch_deadline_ && now >= watch_deadline_)
            return end(SIGRUN_E_TIMEOUT, code::timeout, "the peer did not answer PING before the deadline");
        if (call_deadline_ && now >= call_deadline_) expire_calls(now);
        if (retry_at_ && now >= retry_at_) {
            retry_at_ = 0;
            sdk::guarded(nullptr, [&] {
                retry_inbox();
                if (phase_ == phase::open) retry_replies();
            });
            if (phase_ != phase::open) return;
            if (auto credit = inbox_.credit_due()) grant(k_stream_session_bulk, credit);
            update_interest();
        }
        watch_peer(now);
        if (phase_ != phase::open) return;
        end_if_left_alone(now);
        if (phase_ != phase::open) return arm_deadlines();
        auto idle = ns(shared_->options.idle_timeout);
        if (idle && now >= last_activity_ + idle) {
            end_if_idle(code::timeout, "idle: no call and no session before idle_timeout");
            if (phase_ == phase::open) last_activity_ = now;  // a call is running: ask again later
        }
    }
    if (phase_ != phase::dead) arm_deadlines();
}

bool connection::is_reading() const noexcept { return (interest_ & EPOLLIN) != 0; }

/// When watch_peer has something to do; 0 = never.
std::uint64_t connection::peer_deadline() const noexcept {
    const auto& o = shared_->options;
    std::uint64_t next = ~std::uint64_t{0};
    if (blocked_since_ && ns(o.write_timeout)) next = std::min(next, blocked_since_ + ns(o.write_timeout));
    if (is_reading() && reader_.unfinished() && ns(o.read_timeout)) next = std::min(next, heard_ + ns(o.read_timeout));
    if (ns(o.ping_interval)) next = std::min(next, std::max(heard_, asked_) + ns(o.ping_interval));
    return next == ~std::uint64_t{0} ? 0 : next;
}

/// Ends the connection if the peer takes nothing, stopped in the middle of a frame, or is gone.
void connection::watch_peer(std::uint64_t now) {
    const auto& o = shared_->options;
    if (auto limit = ns(o.write_timeout); limit && blocked_since_ && now >= blocked_since_ + limit)
        return end(SIGRUN_E_TIMEOUT, code::stuck, "the peer does not read: it took nothing for write_timeout");
    if (auto limit = ns(o.read_timeout); limit && is_reading() && reader_.unfinished() && now >= heard_ + limit)
        return end(SIGRUN_E_TIMEOUT, code::timeout, "a frame or message stopped half-way for read_timeout");
    auto interval = ns(o.ping_interval);
    if (!interval || now < std::max(heard_, asked_) + interval) return;
    asked_ = now;
    if (!is_reading()) return;
    {
        std::lock_guard lock(mutex_);
        // Nobody waits for an idle peer; idle_timeout ends it.
        if (!inbox_.is_wanted() && !session_expected_ && !inbound_.size() && !outbound_.size()) return;
        if (unanswered_ < k_max_unanswered) encode_ping(output_.control(), type::ping, ++next_ping_);
    }
    if (++unanswered_ > k_max_unanswered)
        return end(SIGRUN_E_TIMEOUT, code::timeout, "the peer is silent: it did not answer PING");
    loop_.flush_soon(*this);
}

void connection::watch_until(std::uint64_t deadline) {
    watch_deadline_ = deadline;
    arm_deadlines();
}

void connection::end_if_idle(std::uint32_t wire_code, const std::string& why) {
    if (phase_ != phase::open || from_.side != role::accepted || inbox_.is_wanted() || has_unread()) return;
    if (wire_code == code::shutdown && reader_.unfinished()) return;  // a call, so far in part
    {
        std::lock_guard lock(mutex_);
        if (inbound_.size() || session_expected_) return;
    }
    end(SIGRUN_E_TIMEOUT, wire_code, why);
}

}  // namespace sigrun::valkyrie
