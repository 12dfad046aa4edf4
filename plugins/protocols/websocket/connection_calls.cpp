// Method calls that the peer makes.
#include "connection.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>

namespace sigrun::websocket {
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

std::int64_t since_epoch() { return clock::now().time_since_epoch().count(); }

}  // namespace

void end_for_host(core& shared, inbound_call& call) {
    if (!call.host_id) return let_go(&call);  // begin never said PENDING: the host holds nothing
    shared.calls->end(
        shared.host.abi(), call.host_id, [](void* ctx) noexcept { let_go(static_cast<inbound_call*>(ctx)); }, &call);
}

/// A call that could not be understood, or not be taken.
void connection::answer_unknown(std::uint64_t number, std::string_view problem_json) {
    auto m = pack_frame(error_reply(problem_json), {}, number);
    if (!m) return;
    {
        std::lock_guard lock(mutex_);
        if (inbound_.count(number)) m.reset();
        if (m) outbox_.add(std::move(*m));
    }
    if (!m) return refuse("message.id: expected a number that is not in use");
    flush();
}

void connection::on_call(message& m) {
    if (retired_at_) last_call_ns_ = since_epoch();
    const auto limit = shared_->options.now().max_calls;
    auto made = std::make_unique<inbound_call>(shared_);
    auto* call = made.get();
    call->owner = shared_from_this();
    call->number = m.id;
    std::size_t open;
    {
        std::lock_guard lock(mutex_);
        if (!inbound_.try_emplace(m.id, call).second) call = nullptr;
        open = inbound_.size();
    }
    if (!call) return refuse("message.id: expected a number that is not in use");
    made.release();
    if (open > limit) {
        refuse_call(
            *call,
            sdk::concat(R"({"code":"busy","title":"too many calls are open on this connection","expected":"at most )",
                        limit, R"(","retry_after_ms":100})"));
    } else if (!m.auth.empty() && m.auth.substr(0, k_bearer.size()) != k_bearer) {
        refuse_call(*call, R"({"code":"unauthenticated","title":"unknown kind of credentials","field":"auth",)"
                           R"("expected":"bearer and a token","found":"something else"})");
    } else if (!shared_->calls) {
        refuse_call(*call, R"({"code":"unsupported","title":"this host takes no calls"})");
    } else {
        begin_call(*call, m);
    }
    let_go(call);
}

void connection::begin_call(inbound_call& call, const message& m) {
    sdk::buffer payload;
    if (m.frame.has_payload) payload = sdk::buffer(shared_->host, m.frame.payload);
    sigrun_call request{};
    request.struct_size = sizeof request;
    request.method = sdk::str(m.method);
    request.params = sdk::str(m.params);
    request.json = sdk::str(m.frame.json);
    request.auth = sdk::str(m.auth.empty() ? std::string_view(from_.auth) : m.auth);
    request.payload = payload.get();
    if (m.deadline_ms)
        request.deadline_ns =
            static_cast<std::uint64_t>(since_epoch()) + std::min<std::uint64_t>(m.deadline_ms, 1ull << 40) * 1'000'000;
    const sigrun_sink replies{sizeof replies, 0, &call, &on_host_reply};
    std::uint64_t id = 0;
    sdk::error_text error;
    const auto result = shared_->calls->begin(shared_->host.abi(), from_.session, &request, &replies, &id, &error.abi);
    if (result == SIGRUN_PENDING) {
        call.host_id = id;
    } else if (result < 0) {
        const auto text = error.text();
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
        auto m = pack_frame(error_reply(problem_json), {}, call.number);
        if (!m) m = pack_frame(error_reply(R"({"code":"internal","title":"the call failed"})"), {}, call.number);
        call.ended = true;
        inbound_.erase(call.number);
        outbox_.add(std::move(*m));
    }
    wake();
    let_go(&call);
}

void connection::on_call_end(std::uint64_t number) {
    inbound_call* call = nullptr;
    {
        std::lock_guard lock(mutex_);
        const auto found = inbound_.find(number);
        if (found == inbound_.end()) return;  // answered meanwhile
        call = found->second;
        inbound_.erase(found);
        call->ended = true;
        if (std::exchange(call->waiting, false)) --waiting_calls_;
        outbox_.add(
            *pack_frame(error_reply(R"({"code":"cancelled","title":"the caller ended the call"})"), {}, number));
    }
    flush();
    end_for_host(*shared_, *call);
}

sigrun_result connection::reply(inbound_call& call, const sigrun_frame& frame) {
    if (frame.kind != SIGRUN_REPLY) return SIGRUN_E_INVALID;
    const auto payload = shared_->host.content(frame.payload);
    const bool last = (frame.flags & SIGRUN_FRAME_LAST) != 0;
    const bool makes_link = (frame.flags & SIGRUN_FRAME_LINK) != 0;
    const bool bulk = !makes_link && (!last || payload.size() + frame.json.len > k_small_reply);
    {
        std::lock_guard lock(mutex_);
        if (call.ended) return SIGRUN_E_CANCELLED;
        if (is_full(bulk)) {
            if (!std::exchange(call.waiting, true)) ++waiting_calls_;
            return SIGRUN_E_BUSY;
        }
    }
    auto m = pack_frame(frame, payload, call.number);
    if (!m || !fits_peer(*m)) return SIGRUN_E_INVALID;
    {
        std::lock_guard lock(mutex_);
        if (call.ended) return SIGRUN_E_CANCELLED;
        outbox_.add(std::move(*m));
        if (makes_link) session_expected_ = true;
        if (makes_link && shared_->retiring) say_reconnect();
        if (last && shared_->retiring) last_call_ns_ = since_epoch();
        if (last) {
            call.ended = true;
            if (std::exchange(call.waiting, false)) --waiting_calls_;
            inbound_.erase(call.number);
        }
    }
    wake();
    if (makes_link) adopt(sdk::view(frame.json));
    if (last) let_go(&call);
    return SIGRUN_OK;
}

void connection::adopt(std::string_view reply_json) {
    boost::system::error_code ec;
    const auto document = boost::json::parse(reply_json, ec);
    const auto* object = ec ? nullptr : document.if_object();
    const auto* ticket = object ? object->if_contains("ticket") : nullptr;
    std::string why = "the host's reply makes a link but has no member 'ticket'";
    if (ticket && ticket->is_string() && shared_->links) {
        auto* link = new sigrun_link{shared_from_this()};
        const sigrun_sink* frames = nullptr;
        sdk::error_text text;
        const auto result =
            shared_->links->adopt(shared_->host.abi(), from_.session, sdk::str(std::string_view(ticket->get_string())),
                                  link, &frames, &text.abi);
        if (result == SIGRUN_OK && frames)
            return loop_.dispatch([self = shared_from_this(), sink = *frames] { self->open_session(sink); });
        delete link;
        why = sdk::concat("the host did not adopt the link: ", text.text());
    }
    loop_.post([self = shared_from_this(), why] { self->end(SIGRUN_E_IO, close_code::internal, why); });
}

void connection::resume_calls() {
    std::vector<std::uint64_t> ready;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [number, call] : inbound_) {
            if (!call->waiting || !call->host_id) continue;
            call->waiting = false;
            --waiting_calls_;
            ready.push_back(call->host_id);
        }
    }
    for (auto id : ready) shared_->calls->resume(shared_->host.abi(), id);
}

}  // namespace sigrun::websocket
