// What arrives on a connection.
#include "connection.hpp"

namespace sigrun::valkyrie {

bool connection::on_frame(const frame_header& header, std::string_view body) {
    bad_ = dispatch(header, body);
    return !bad_ && !peer_done_ && phase_ != phase::lingering && phase_ != phase::dead;
}

refusal connection::dispatch(const frame_header& header, std::string_view body) {
    if (phase_ == phase::hello) {
        if (header.type == type::goaway) return on_goaway(body);
        if (header.type != type::hello) return {code::order, "the first frame must be HELLO"};
        return on_hello(body);
    }
    switch (header.type) {
        case type::hello: return {code::order, "HELLO: only once"};
        case type::ping: {
            std::uint64_t opaque = 0;
            if (auto bad = decode_ping(body, opaque)) return bad;
            {
                std::lock_guard lock(mutex_);
                encode_ping(output_.control(), type::pong, opaque);
            }
            loop_.flush_soon(*this);
            return {};
        }
        case type::pong: return on_pong(body);
        case type::credit: return on_credit(header, body);
        case type::goaway: return on_goaway(body);
        case type::reconnect: return on_reconnect(header, body);
        case type::call: return on_call(header, body);
        case type::call_end: return on_call_end(header, body);
        case type::reply: return on_reply(header, body);
        default: break;
    }
    if (header.stream != k_stream_session && header.stream != k_stream_session_bulk)
        return {code::stream, "session frame: expected stream 1 or 2"};
    if (header.type == type::log && header.stream != k_stream_session_bulk)
        return {code::stream, "LOG: expected stream 2"};
    if (from_.side == role::dialled && !linked_)
        return {code::no_session, "session frame: no reply has made this connection a link"};
    if (!inbox_.is_wanted()) {
        std::lock_guard lock(mutex_);
        if (session_expected_) inbox_.expect();
    }
    return inbox_.take(header, body);
}

refusal connection::on_hello(std::string_view body) {
    if (auto bad = decode_hello(body, peer_)) return bad;
    peer_.agent = {};  // it points into the frame
    if (from_.side == role::accepted) {
        auto bad = answer_hello(peer_, ours_);
        encode_preface(wire_);
        if (bad) return bad;
        encode_hello(wire_, ours_);
        agreed_features_ = ours_.features;
        loop_.flush_soon(*this);
    } else {
        if (auto bad = check_answer(ours_, peer_)) return bad;
        agreed_features_ = peer_.features;
    }
    bool crc = (agreed_features_ & feature::crc32c) != 0;
    reader_.limits = {ours_.max_frame, ours_.max_message, crc};
    {
        std::lock_guard lock(mutex_);
        output_.set_crc(crc);
        output_.grant_log(peer_.log_window);
    }
    phase_ = phase::open;
    if (auto ready = std::exchange(ready_, nullptr)) ready(SIGRUN_OK, "");
    if (phase_ == phase::open && shared_->retiring) retire();
    if (phase_ == phase::open) arm_deadlines();
    return {};
}

refusal connection::on_goaway(std::string_view body) {
    reason_message reason;
    if (auto bad = decode_reason(body, reason)) return bad;
    peer_done_ = true;
    goodbye_ = sdk::concat("the peer closed the connection: ", reason.text, " (code ", reason.code, ")");
    return {};
}

refusal connection::on_pong(std::string_view body) {
    std::uint64_t id = 0;
    if (auto bad = decode_ping(body, id)) return bad;
    ping_wait found{};
    {
        std::lock_guard lock(mutex_);
        for (auto& wait : pings_) {
            if (wait.id != id) continue;
            found = std::move(wait);
            wait = std::move(pings_.back());
            pings_.pop_back();
            break;
        }
    }
    if (found.done) found.done(SIGRUN_OK, std::max<std::uint64_t>(now_ns() - found.sent, 1));
    return {};
}

refusal connection::on_credit(const frame_header& header, std::string_view body) {
    std::uint64_t bytes = 0;
    if (auto bad = decode_credit(body, bytes)) return bad;
    if (header.stream == k_stream_session_bulk) {
        {
            std::lock_guard lock(mutex_);
            output_.grant_log(bytes);
            if (output_.log_credit() > std::int64_t{1} << 40) return {code::flow_control, "CREDIT: above 1 TiB"};
        }
        loop_.flush_soon(*this);
        return {};
    }
    std::uint64_t resume = 0;
    {
        std::lock_guard lock(mutex_);
        auto* call = inbound_.find(header.stream);
        if (!call) return {};  // it has ended meanwhile
        call->credit += static_cast<std::int64_t>(bytes);
        if (call->credit > std::int64_t{1} << 40) return {code::flow_control, "CREDIT: above 1 TiB"};
        if (call->waiting && call->credit > 0 && !output_.full()) {
            call->waiting = false;
            --waiting_calls_;
            resume = call->id;
        }
    }
    if (resume) shared_->calls->resume(shared_->host.abi(), resume);
    return {};
}

refusal connection::on_reply(const frame_header& header, std::string_view body) {
    outbound_call* call;
    {
        std::lock_guard lock(mutex_);
        call = outbound_.find(header.stream);
    }
    if (!call) return {code::stream, "REPLY: no such call"};
    bool last = (header.flags & flag::last) != 0;
    if (header.flags & flag::link) linked_ = true;
    if (!last && call->arrived >= call->granted) return {code::flow_control, "REPLY: sent without credit"};
    call->arrived += body.size();
    if (call->abandoned) {
        session_message message;
        if (auto bad = decode_session(header, body, message)) return bad;
        if (last) finish_call(*call, SIGRUN_OK, "");
        return {};
    }
    sigrun_result answer = SIGRUN_E_BUSY;
    if (call->waiting.empty()) {
        if (auto bad = offer_frame(*shared_, call->sink, header, body, answer)) return bad;
    } else {
        session_message message;
        if (auto bad = decode_session(header, body, message)) return bad;
    }
    if (answer == SIGRUN_E_BUSY) {
        call->waiting.push_back({header, std::string(body)});
        if (!retry_at_) retry_at_ = loop_.now() + 10'000'000;
        return {};
    }
    taken_reply(*call, header, body.size());
    return {};
}

void connection::grant(std::uint32_t stream, std::uint64_t bytes) {
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return;
        encode_credit(output_.control(), stream, bytes);
    }
    loop_.flush_soon(*this);
}

}  // namespace sigrun::valkyrie
