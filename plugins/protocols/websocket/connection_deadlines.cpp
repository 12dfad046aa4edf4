// What a connection waits for, and for how long; and how one of an instance that was replaced comes to its end.
#include "connection.hpp"

namespace sigrun::websocket {
namespace {

constexpr auto k_retired_idle = std::chrono::seconds(30);
constexpr auto k_in_flight = std::chrono::seconds(1);
constexpr std::string_view k_elsewhere =
    R"({"reason":"a newer generation of the protocol plugin serves from now on","reconnect":true})";

bool passed(time_point now, time_point since, std::chrono::nanoseconds limit) {
    return limit.count() > 0 && now - since >= limit;
}

}  // namespace

void connection::tick(time_point now) {
    const auto keep = shared_from_this();
    if (phase_ == phase::upgrading && now >= deadline_)
        return end(SIGRUN_E_TIMEOUT, close_code::none, "the upgrade was not finished before the deadline");
    if ((phase_ == phase::closing || phase_ == phase::lingering) && now >= deadline_) return release();
    if (phase_ != phase::open) return;
    if (watch_until_ && now >= *watch_until_)
        return end(SIGRUN_E_TIMEOUT, close_code::normal, "the peer did not answer PING before the deadline");
    expire_calls();
    watch_peer(now);
    if (phase_ != phase::open) return;
    if (shared_->draining) return end_if_idle("the daemon stops");
    if (retired_at_) {
        const time_point called{clock::duration(last_call_ns_.load(std::memory_order_relaxed))};
        if (now - std::max(*retired_at_, called) >= k_retired_idle)
            end_if_idle("retired: the peer was told to reconnect and has not called since");
    }
    if (phase_ == phase::open && passed(now, last_message_, shared_->options.now().idle_timeout))
        end_if_idle("idle: no call and no session before idle_timeout");
}

/// Ends the connection if the peer takes nothing, stopped in the middle of a message, or is gone.
void connection::watch_peer(time_point now) {
    const auto& o = shared_->options.now();
    if (const auto since = ws_->next_layer().blocked_since(); since && passed(now, *since, o.write_timeout))
        return end(SIGRUN_E_TIMEOUT, close_code::none, "the peer does not read: it took nothing for write_timeout");
    if (!reading_) {  // it could not be heard: a sink is busy, or it does not take what it asked for
        if (keepalive_) asked_ = now;
        if (message_since_) message_since_ = now;
        return;
    }
    if (message_since_ && passed(now, *message_since_, o.message_timeout))
        return end(SIGRUN_E_TIMEOUT, close_code::too_slow, "a message was not finished within message_timeout");
    if (keepalive_) {
        if (!passed(now, std::max(asked_, ws_->next_layer().heard()), o.pong_timeout)) return;
        shared_->numbers.add(shared_->numbers.silent_peers);
        return end(SIGRUN_E_TIMEOUT, close_code::too_slow, "the peer is silent: it did not answer PING");
    }
    if (!passed(now, asked_, o.ping_interval)) return;
    // Nobody waits for an idle peer; idle_timeout ends it.
    if (from_.side == role::accepted && !is_used()) return;
    asked_ = now;
    keepalive_ = 1;
    due_pings_.emplace_back("k");
    send_pings();
}

/// Whether a call or a session lives on it.
bool connection::is_used() {
    std::lock_guard lock(mutex_);
    return inbox_.is_wanted() || session_expected_ || !inbound_.empty() || !outbound_.empty();
}

/// A call that was not read to its end: closing now would lose it.
bool connection::is_arriving(time_point now) {
    auto& below = ws_->next_layer();
    return message_since_ || below.has_unread() || (below.heard() > last_message_ && now - below.heard() < k_in_flight);
}

void connection::end_if_idle(const std::string& why) {
    if (phase_ != phase::open || from_.side != role::accepted || is_used() || is_arriving(clock::now())) return;
    {
        std::lock_guard lock(mutex_);
        if (!outbox_.empty() || writing_) return;  // an answer is on its way
    }
    end(SIGRUN_E_TIMEOUT, close_code::going_away, why);
}

void connection::retire() {
    if (from_.side != role::accepted || phase_ != phase::open || retired_at_) return;
    retired_at_ = clock::now();
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return;
        say_reconnect();
    }
    flush();
}

/// Under the mutex. A session that begins on a retired connection says it, too: whoever opened it may have heard it before it
/// had a session to bring elsewhere.
void connection::say_reconnect() {
    auto& told = session_expected_ ? session_told_ : told_;
    if (std::exchange(told, true)) return;
    sigrun_frame bye{};
    bye.struct_size = sizeof bye;
    bye.kind = SIGRUN_BYE;
    bye.json = sdk::str(k_elsewhere);
    outbox_.add(*pack_frame(bye, {}));
}

void connection::cut() { end(SIGRUN_E_TIMEOUT, close_code::going_away, "retired: the deadline has passed"); }

}  // namespace sigrun::websocket
