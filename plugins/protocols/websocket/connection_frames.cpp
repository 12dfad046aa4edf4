// What arrives on a connection.
#include "connection.hpp"

#include <sigrun/cpp/problem.hpp>

namespace sigrun::websocket {
namespace {

constexpr auto k_retry = std::chrono::milliseconds(10);
constexpr std::size_t k_keep = std::size_t{4} << 20;  // of what busy sinks refused; above it nothing more is read

}  // namespace

void connection::on_message(std::string_view bytes, bool binary) {
    sdk::mismatch why;
    std::uint64_t call_id = 0;
    auto m = unpack(bytes, binary, why, call_id);
    if (!m) {
        if (!call_id || from_.side == role::dialled) return refuse(why.text());
        return answer_unknown(call_id, sdk::to_json(sdk::problem_of(why, "message")));
    }
    switch (m->what) {
        case sort::call:
            if (from_.side == role::dialled)
                return refuse("message.kind: expected none of the dialling side's, found call");
            return on_call(*m);
        case sort::end:
            if (from_.side == role::dialled)
                return refuse("message.kind: expected none of the dialling side's, found end");
            return on_call_end(m->id);
        case sort::reply:
            if (from_.side == role::accepted)
                return refuse("message.kind: expected none of the accepting side's, found reply");
            return on_reply(std::move(*m));
        case sort::session: break;
    }
    const bool reconnect = m->frame.kind == SIGRUN_BYE && !(m->frame.flags & SIGRUN_FRAME_LAST);
    if (from_.side == role::dialled) {
        // A server that goes says so also where no session has begun; the connection of a detection has nobody to tell.
        if (!linked_ && !reconnect) return refuse("session frame: no reply has made this connection a link");
        if (!inbox_.is_open()) return;
    } else if (!inbox_.is_wanted()) {
        std::lock_guard lock(mutex_);
        if (session_expected_) inbox_.expect();
    }
    if (from_.side == role::accepted && !inbox_.is_wanted())
        return refuse("session frame: this connection carries no session");
    if (!inbox_.take(std::move(m->frame))) return refuse("a session frame's content is malformed");
    if (inbox_.holds()) retry_soon();
}

void connection::on_reply(message m) {
    outbound_call* call = nullptr;
    {
        std::lock_guard lock(mutex_);
        if (auto found = outbound_.find(m.id); found != outbound_.end()) call = found->second.get();
    }
    if (!call) return refuse("message.id: expected the number of an open call");
    const bool last = (m.frame.flags & SIGRUN_FRAME_LAST) != 0;
    if (m.frame.flags & SIGRUN_FRAME_LINK) linked_ = true;
    if (call->abandoned) {
        if (last) finish_call(*call, SIGRUN_OK, "");
        return;
    }
    if (call->waiting.empty() && offer_reply(*call, m.frame)) return;
    kept_replies_ += m.frame.kept_size();
    call->waiting.push_back(std::move(m.frame));
    retry_soon();
}

/// False: the sink is busy.
bool connection::offer_reply(outbound_call& call, const sdk::wire_frame& frame) {
    if (sdk::deliver_frame(shared_->host, call.sink, frame) == SIGRUN_E_BUSY) return false;
    if (frame.flags & SIGRUN_FRAME_LAST) finish_call(call, SIGRUN_OK, "");
    return true;
}

void connection::retry_sinks() {
    if (phase_ != phase::open) return;
    if (!inbox_.retry()) return refuse("a session frame's content is malformed");
    std::vector<outbound_call*> all;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [number, call] : outbound_)
            if (!call->waiting.empty()) all.push_back(call.get());
    }
    for (auto* call : all) {
        while (!call->waiting.empty()) {
            const auto& frame = call->waiting.front();
            if (sdk::deliver_frame(shared_->host, call->sink, frame) == SIGRUN_E_BUSY) break;
            const bool last = (frame.flags & SIGRUN_FRAME_LAST) != 0;
            kept_replies_ -= frame.kept_size();
            call->waiting.pop_front();
            if (!last) continue;
            finish_call(*call, SIGRUN_OK, "");
            break;  // it is gone
        }
    }
    kept_many_ = inbox_.bytes() + kept_replies_ > k_keep;
    if (inbox_.holds() || kept_replies_) retry_soon();
    read();
}

void connection::retry_soon() {
    kept_many_ = inbox_.bytes() + kept_replies_ > k_keep;
    if (std::exchange(retry_armed_, true)) return;
    retry_timer_.expires_after(k_retry);
    retry_timer_.async_wait([self = shared_from_this()](const error_code& ec) {
        self->retry_armed_ = false;
        if (!ec) self->retry_sinks();
    });
}

}  // namespace sigrun::websocket
