// What the host sends through a connection: session frames, calls, pings.
#include "connection.hpp"

namespace sigrun::valkyrie {

sigrun_result connection::send_frame(const sigrun_frame& frame) {
    if (frame.kind == SIGRUN_REPLY) return SIGRUN_E_INVALID;
    auto payload = shared_->host.content(frame.payload);
    bool log = frame.kind == SIGRUN_LOG;
    if (log && payload.size() > SIGRUN_LOG_MAX) return SIGRUN_E_INVALID;
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        // The loop ends the connection at its next turn; until then other threads must not fill it further.
        overflowed_ = overflowed_ || output_.stuck();
        if (overflowed_) {
            loop_.flush_soon(*this);
            return SIGRUN_E_IO;
        }
        const bool full = output_.full();  // without this frame, which may be as large as the limit
        if (log && full) return SIGRUN_E_BUSY;
        auto& control = output_.control();
        auto from = control.size();
        if (encode_session(control, {k_stream_session, k_priority_control}, frame, payload)) return SIGRUN_E_INVALID;
        auto size = control.size() - from - k_header_size;
        bool large = size > k_piece;
        auto key = log || large || output_.holds_any() ? attempt_key(frame.attempt) : 0;
        if (size > peer_.max_message || (large && full)) {
            control.truncate(from);
            return size > peer_.max_message ? SIGRUN_E_INVALID : SIGRUN_E_BUSY;
        }
        if (log || large || output_.holds(key)) output_.demote(from, lane::session, key, log);
    }
    if (frame.kind == SIGRUN_ACK) retry_wanted_.store(true, std::memory_order_relaxed);
    loop_.flush_soon(*this);
    return SIGRUN_OK;
}

sigrun_result connection::call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op op) {
    if (from_.side == role::accepted) return SIGRUN_E_UNSUPPORTED;
    auto payload = shared_->host.content(call.payload);
    std::uint64_t left_us = 0;
    if (call.deadline_ns) {
        auto now = now_ns();
        if (call.deadline_ns <= now) return SIGRUN_E_TIMEOUT;
        left_us = std::max<std::uint64_t>((call.deadline_ns - now) / 1000, 1);
    }
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        if (outbound_.size() >= std::min(peer_.max_streams, k_max_streams)) return SIGRUN_E_BUSY;
        const bool full = output_.full();
        auto& control = output_.control();
        auto from = control.size();
        auto& added = outbound_.add();
        auto give_up = [&](sigrun_result result) {
            control.truncate(from);
            outbound_.remove(added.stream);
            return result;
        };
        if (encode_call(control, {added.stream, k_priority_control}, call, left_us, payload))
            return give_up(SIGRUN_E_INVALID);
        auto size = control.size() - from - k_header_size;
        if (size > peer_.max_message) return give_up(SIGRUN_E_INVALID);
        if (size > k_piece) {
            if (full) return give_up(SIGRUN_E_BUSY);
            output_.demote(from, lane::calls, 0, false);
            added.bulk = true;
        }
        added.sink = replies;
        added.op = sdk::op(shared_->host, op);
        added.deadline = call.deadline_ns;
        added.granted = ours_.call_window;
    }
    loop_.flush_soon(*this);
    if (auto deadline = call.deadline_ns) {
        auto watch = [me = self(), deadline] {
            if (!me->call_deadline_ || deadline < me->call_deadline_) me->call_deadline_ = deadline;
            me->arm_deadlines();
        };
        loop_.post(watch);
    }
    return SIGRUN_PENDING;
}

void connection::finish_call(outbound_call& call, sigrun_result result, const std::string& why) {
    std::unique_ptr<outbound_call> ended;
    {
        std::lock_guard lock(mutex_);
        ended = outbound_.remove(call.stream);
    }
    if (result == SIGRUN_OK)
        ended->op.ok();
    else
        ended->op.fail(result, why);
}

void connection::expire_calls(std::uint64_t now) {
    call_deadline_ = 0;
    std::vector<outbound_call*> all;
    {
        std::lock_guard lock(mutex_);
        all = outbound_.all();
    }
    for (auto* call : all) {
        if (!call->deadline || call->abandoned) continue;
        if (call->deadline > now) {
            if (!call_deadline_ || call->deadline < call_deadline_) call_deadline_ = call->deadline;
            continue;
        }
        call->abandoned = true;  // the stream is free again when the peer's LAST comes
        call->waiting.clear();
        {
            std::lock_guard lock(mutex_);
            auto& control = output_.control();
            auto from = control.size();
            encode_reason(control, type::call_end, {call->stream, k_priority_control}, code::cancelled, "deadline");
            if (call->bulk) output_.demote(from, lane::calls, 0, false);
        }
        loop_.flush_soon(*this);
        auto op = std::move(call->op);
        op.fail(SIGRUN_E_TIMEOUT, "the call was not answered before its deadline");
    }
}

/// The sink took a reply: the call has ended with LAST, else the peer may send more.
void connection::taken_reply(outbound_call& call, const frame_header& header, std::size_t bytes) {
    if (header.flags & flag::last) return finish_call(call, SIGRUN_OK, "");
    call.consumed += bytes;
    if (call.consumed < ours_.call_window / 2) return;
    call.granted += call.consumed;
    grant(call.stream, std::exchange(call.consumed, 0));
}

void connection::retry_replies() {
    std::vector<outbound_call*> all;
    {
        std::lock_guard lock(mutex_);
        all = outbound_.all();
    }
    for (auto* call : all) {
        while (!call->waiting.empty()) {
            auto& head = call->waiting.front();
            sigrun_result answer = SIGRUN_OK;
            offer_frame(*shared_, call->sink, head.header, head.body, answer);  // was decoded when it arrived
            if (answer == SIGRUN_E_BUSY) {
                retry_at_ = loop_.now() + 10'000'000;
                break;
            }
            auto taken = std::move(head);
            call->waiting.pop_front();
            taken_reply(*call, taken.header, taken.body.size());
            if (taken.header.flags & flag::last) break;  // the call is gone
        }
    }
}

sigrun_result connection::ping(ping_fn done) {
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        if (pings_.size() >= 64) return SIGRUN_E_BUSY;
        pings_.push_back({++next_ping_, now_ns(), std::move(done)});
        encode_ping(output_.control(), type::ping, next_ping_);
    }
    loop_.flush_soon(*this);
    return SIGRUN_PENDING;
}

}  // namespace sigrun::valkyrie
