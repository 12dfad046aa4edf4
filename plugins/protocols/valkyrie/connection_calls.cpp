// Method calls in both directions, and what other threads send.
#include "connection.hpp"

#include <boost/json/parse.hpp>

namespace sigrun::valkyrie {

namespace {
constexpr std::size_t k_small_reply = 16 * 1024;
constexpr std::string_view k_bearer = "bearer ";

void let_go(inbound_call* call) {
    if (call->holders.fetch_sub(1) == 1) delete call;
}

sigrun_frame error_reply(std::string_view json) noexcept {
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = SIGRUN_REPLY;
    f.flags = SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR;
    f.json = sdk::str(json);
    return f;
}

sigrun_result on_host_reply(void* ctx, const sigrun_frame* frame) noexcept {
    auto* call = static_cast<inbound_call*>(ctx);
    auto owner = call->owner;  // LAST may free the call
    return sdk::guarded(nullptr, [&] { return owner->reply(*call, *frame); });
}
}  // namespace

void end_for_host(core& shared, inbound_call& call) {
    if (!call.id) return let_go(&call);  // begin never said PENDING: the host holds nothing
    shared.calls->end(
        shared.host.abi(), call.id, [](void* ctx) noexcept { let_go(static_cast<inbound_call*>(ctx)); }, &call);
}

refusal connection::on_call(const frame_header& header, std::string_view body) {
    call_message message;
    if (auto bad = decode_call(header, body, message)) return bad;
    if (header.stream < k_first_call) return {code::stream, "CALL: expected a stream from 16 on"};
    if (from_.side == role::dialled) return {code::order, "CALL: only the dialling side calls"};
    if (retired_at_) last_call_ = loop_.now();
    auto* call = new inbound_call(shared_);
    call->owner = self();
    call->stream = header.stream;
    call->credit = peer_.call_window;
    std::size_t open;
    bool fresh;
    {
        std::lock_guard lock(mutex_);
        fresh = inbound_.insert(call);
        open = inbound_.size();
    }
    if (!fresh) {
        delete call;
        return {code::stream_in_use, "CALL: its stream is in use"};
    }
    if (open > shared_->options.max_streams) {
        refuse_call(*call, R"({"code":"busy","title":"too many calls are open on this connection"})");
    } else if (!message.auth.empty() && message.auth.substr(0, k_bearer.size()) != k_bearer) {
        refuse_call(*call, R"({"code":"unauthenticated","title":"expected the auth scheme 'bearer'"})");
    } else if (!shared_->calls) {
        refuse_call(*call, R"({"code":"unsupported","title":"this host takes no calls"})");
    } else {
        begin_call(*call, message);
    }
    let_go(call);
    return {};
}

void connection::begin_call(inbound_call& call, const call_message& message) {
    sdk::buffer payload;
    if (message.has_payload) payload = sdk::buffer(shared_->host, message.payload);
    sigrun_call request{};
    request.struct_size = sizeof request;
    request.method = sdk::str(message.method);
    request.params = sdk::str(message.params);
    request.json = sdk::str(message.json);
    request.auth = sdk::str(message.auth.empty() ? std::string_view(from_.auth) : message.auth);
    request.payload = payload.get();
    if (message.left_us) request.deadline_ns = now_ns() + std::min<std::uint64_t>(message.left_us, 1ull << 50) * 1000;
    sigrun_sink replies{sizeof replies, 0, &call, &on_host_reply};
    std::uint64_t id = 0;
    sdk::error_text error;
    auto result = shared_->calls->begin(shared_->host.abi(), from_.session, &request, &replies, &id, &error.abi);
    if (result == SIGRUN_PENDING) {
        call.id = id;
    } else if (result < 0) {
        auto text = error.text();
        refuse_call(call, text.empty() || text[0] != '{' ? R"({"code":"internal","title":"the call failed"})" : text);
    } else {
        refuse_call(call, R"({"code":"internal","title":"the host ended the call without an answer"})");
    }
}

/// Ends a call that the host does not hold, unless it was answered already.
void connection::refuse_call(inbound_call& call, std::string_view problem_json) {
    {
        std::lock_guard lock(mutex_);
        if (call.ended) return;
    }
    if (reply(call, error_reply(problem_json)) == SIGRUN_E_INVALID)
        reply(call, error_reply(R"({"code":"internal","title":"the call failed"})"));
}

refusal connection::on_call_end(const frame_header& header, std::string_view body) {
    reason_message reason;
    if (auto bad = decode_reason(body, reason)) return bad;
    inbound_call* call;
    {
        std::lock_guard lock(mutex_);
        call = inbound_.find(header.stream);
        if (!call) return {};  // answered meanwhile
        call->ended = true;
        inbound_.erase(header.stream);
        if (call->waiting) --waiting_calls_;
        call->waiting = false;
        auto& control = output_.control();
        auto from = control.size();
        encode_session(control, {header.stream, k_priority_control},
                       error_reply(R"({"code":"cancelled","title":"the caller ended the call"})"), {});
        if (call->bulk) output_.demote(from, lane::calls, 0, false);
    }
    loop_.flush_soon(*this);
    end_for_host(*shared_, *call);
    return {};
}

sigrun_result connection::reply(inbound_call& call, const sigrun_frame& frame) {
    if (frame.kind != SIGRUN_REPLY) return SIGRUN_E_INVALID;
    auto payload = shared_->host.content(frame.payload);
    bool last = (frame.flags & SIGRUN_FRAME_LAST) != 0;
    bool makes_link = (frame.flags & SIGRUN_FRAME_LINK) != 0;
    {
        std::lock_guard lock(mutex_);
        if (call.ended) return SIGRUN_E_CANCELLED;
        // Session frames follow a reply that makes a link, and must not overtake it.
        bool bulk = call.bulk || !last || (!makes_link && payload.size() + frame.json.len > k_small_reply);
        if (bulk && (output_.full() || (!last && call.credit <= 0))) {
            if (!call.waiting) ++waiting_calls_;
            call.waiting = true;
            call.last_waits = last;
            return SIGRUN_E_BUSY;
        }
        auto& control = output_.control();
        auto from = control.size();
        if (encode_session(control, {call.stream, k_priority_control}, frame, payload)) return SIGRUN_E_INVALID;
        auto size = control.size() - from - k_header_size;
        if (size > peer_.max_message || (!bulk && size > peer_.max_frame - k_crc_size)) {
            control.truncate(from);
            return SIGRUN_E_INVALID;
        }
        if (bulk) {
            call.bulk = true;
            output_.demote(from, lane::calls, 0, false);
        }
        call.credit -= static_cast<std::int64_t>(size);
        if (makes_link) session_expected_ = true;
        if (makes_link && shared_->retiring) say_reconnect();
        if (last && shared_->retiring) last_call_ = now_ns();
        if (last) {
            call.ended = true;
            if (call.waiting) --waiting_calls_;
            inbound_.erase(call.stream);
        }
    }
    loop_.flush_soon(*this);
    if (makes_link) adopt(sdk::view(frame.json));
    if (last) let_go(&call);
    return SIGRUN_OK;
}

void connection::adopt(std::string_view reply_json) {
    boost::system::error_code error;
    auto document = boost::json::parse(reply_json, error);
    const auto* object = error ? nullptr : document.if_object();
    const auto* ticket = object ? object->if_contains("ticket") : nullptr;
    std::string why = "the host's reply makes a link but has no member 'ticket'";
    if (ticket && ticket->is_string() && shared_->links) {
        auto me = self();
        auto* link = new sigrun_link{me};
        const sigrun_sink* frames = nullptr;
        sdk::error_text text;
        auto result = shared_->links->adopt(shared_->host.abi(), from_.session,
                                            sdk::str(std::string_view(ticket->get_string())), link, &frames, &text.abi);
        if (result == SIGRUN_OK && frames) {
            if (loop_.on_thread()) return open_session(*frames);
            loop_.post([me, sink = *frames] {
                me->open_session(sink);
                me->update_interest();
            });
            return;
        }
        delete link;
        why = sdk::concat("the host did not adopt the link: ", text.text());
    }
    loop_.post([me = self(), why] { me->end(SIGRUN_E_IO, code::system, why); });
}

void connection::resume_calls() {
    std::vector<std::uint64_t> ready;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [stream, call] : inbound_.all()) {
            if (!call->waiting || (call->credit <= 0 && !call->last_waits) || !call->id) continue;
            call->waiting = false;
            --waiting_calls_;
            ready.push_back(call->id);
        }
    }
    for (auto id : ready) shared_->calls->resume(shared_->host.abi(), id);
}

}  // namespace sigrun::valkyrie
