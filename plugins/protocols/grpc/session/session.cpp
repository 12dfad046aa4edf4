#include "session/session.hpp"

#include "h2/connection.hpp"

namespace sigrun::grpc {

namespace {
constexpr std::uint64_t k_retry_ns = 10'000'000;
constexpr std::size_t k_max_pings = 64;
constexpr std::size_t k_large = 64 << 10;
}  // namespace

session_stream::session_stream(std::shared_ptr<connection> on)
    : stream(std::move(on)), inbox_(this->on().shared().host) {
    out().grant(k_log_window);
}

// ---- To the peer

sigrun_result session_stream::queue_frame(const sigrun_frame& frame, std::string_view payload) {
    if (ended()) return SIGRUN_E_IO;
    const auto limit = on().shared().options.now().max_output;
    const bool log = frame.kind == SIGRUN_LOG;
    if (log && payload.size() > SIGRUN_LOG_MAX) return SIGRUN_E_INVALID;
    if (log && full()) return SIGRUN_E_BUSY;
    if (out().bytes() > 4 * limit) return SIGRUN_E_IO;  // the peer takes nothing: write_timeout or its silence ends it
    auto message = encode_frame(frame, payload);
    if (!message || message->size() > on().shared().options.now().max_message) return SIGRUN_E_INVALID;
    const bool large = message->size() > k_large;
    if (large && full()) return SIGRUN_E_BUSY;
    const auto key = log || large || out().holds_any() ? attempt_key(frame.attempt) : 0;
    if (log || large || out().holds(key))
        put_bulk(std::move(*message), key, log ? payload.size() + 1 : 0);
    else
        put(std::move(*message));
    return SIGRUN_OK;
}

sigrun_result session_stream::send_frame(const sigrun_frame& frame) {
    if (frame.kind == SIGRUN_REPLY) return SIGRUN_E_INVALID;
    const auto payload = on().shared().host.content(frame.payload);
    {
        std::lock_guard lock(on().mutex());
        if (const auto result = queue_frame(frame, payload); result != SIGRUN_OK) return result;
        if (frame.kind == SIGRUN_ACK) retry_wanted_ = true;  // it tells that there is room again
    }
    on().wake();
    return SIGRUN_OK;
}

sigrun_result session_stream::ping_peer(sigrun_op op) {
    {
        std::lock_guard lock(on().mutex());
        if (ended()) return SIGRUN_E_IO;
        if (pings_.size() >= k_max_pings) return SIGRUN_E_BUSY;
        pings_.push_back({++next_ping_, now_ns(), sdk::op(on().shared().host, op)});
        put(encode_ping(next_ping_));
    }
    on().wake();
    return SIGRUN_PENDING;
}

// ---- From the peer

void session_stream::on_message(std::string bytes) {
    v1::SessionMessage message;
    if (!message.ParseFromString(bytes))
        return fail({code::invalid_argument,
                     "the message is no sigrun.v1.SessionMessage, or has a text that is not UTF-8",
                     {}});
    switch (message.content_case()) {
        case v1::SessionMessage::kCall: return on_call(std::move(*message.mutable_call()));
        case v1::SessionMessage::kFrame:
            if (message.frame().kind() == v1::Frame::REPLY) return on_reply(std::move(*message.mutable_frame()));
            if (!inbox_.is_wanted() && granted()) inbox_.expect();
            return settle(inbox_.take(std::move(*message.mutable_frame())));
        case v1::SessionMessage::kLogCredit: {
            bool absurd = false;
            {
                std::lock_guard lock(on().mutex());
                out().grant(std::min<std::uint64_t>(message.log_credit(), std::uint64_t{1} << 40));
                absurd = out().credit() > std::int64_t{1} << 41;
                on().touch(*this);
            }
            if (absurd) return fail({code::invalid_argument, "log_credit: expected less than 2 TiB in sum", {}});
            return on().wake();
        }
        case v1::SessionMessage::kPing: {
            {
                std::lock_guard lock(on().mutex());
                if (ended()) return;
                put(encode_pong(message.ping()));
            }
            return on().wake();
        }
        case v1::SessionMessage::kPong: {
            sdk::op op;
            std::uint64_t sent = 0;
            {
                std::lock_guard lock(on().mutex());
                for (auto it = pings_.begin(); it != pings_.end(); ++it) {
                    if (it->id != message.pong()) continue;
                    op = std::move(it->op);
                    sent = it->sent;
                    pings_.erase(it);
                    break;
                }
            }
            if (op) op.ok(sdk::concat(R"({"rtt_ns":)", std::max<std::uint64_t>(now_ns() - sent, 1), "}"));
            return;
        }
        case v1::SessionMessage::CONTENT_NOT_SET: return;  // of a later version
    }
}

/// After frames were offered to the sink: what is kept, what the peer may send.
void session_stream::settle(const std::optional<std::string>& bad) {
    if (bad) return fail({code::invalid_argument, *bad, {}});
    if (const auto credit = inbox_.credit_due()) {
        {
            std::lock_guard lock(on().mutex());
            if (!ended()) put(encode_log_credit(credit));
        }
        on().wake();
    }
    hold_window(inbox_.overfull());
    if (!inbox_.holds() || !inbox_.is_open() || retry_at_) return;
    retry_at_ = on().on().now() + k_retry_ns;
    on().arm_soon(retry_at_);
}

void session_stream::on_deadline(std::uint64_t now) {
    if (!retry_at_ || now < retry_at_) return;
    retry_at_ = 0;
    settle(inbox_.retry());
}

void session_stream::retry() {
    {
        std::lock_guard lock(on().mutex());
        if (!std::exchange(retry_wanted_, false)) return;
    }
    if (inbox_.holds()) settle(inbox_.retry());
}

void session_stream::open_session(const sigrun_sink& sink) { settle(inbox_.open(sink)); }

// ---- The end

void session_stream::close_session(const std::string& why) {
    inbox_.close(why, true);
    {
        std::lock_guard lock(on().mutex());
        if (!ended()) {
            const auto json = bye_json(why);
            sigrun_frame bye{};
            bye.struct_size = sizeof bye;
            bye.kind = SIGRUN_BYE;
            bye.flags = SIGRUN_FRAME_LAST;
            bye.json = sdk::str(json);
            if (auto message = encode_frame(bye, {})) put(std::move(*message));
            finish();
        }
    }
    on().wake();
}

void session_stream::on_closed(sigrun_result result, const std::string& why) {
    std::vector<waiting_ping> pings;
    {
        std::lock_guard lock(on().mutex());
        pings.swap(pings_);
    }
    for (auto& ping : pings) ping.op.fail(SIGRUN_E_IO, "the session ended before the answer");
    inbox_.close(why.empty() ? std::string_view("the peer ended the session") : std::string_view(why), false);
    on_ended(result, why);
}

}  // namespace sigrun::grpc
