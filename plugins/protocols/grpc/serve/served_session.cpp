#include "serve/served_session.hpp"

#include "link.hpp"
#include "serve/methods.hpp"

#include <boost/json/parse.hpp>

namespace sigrun::grpc {

namespace {

/// What the host holds of an adopted session.
struct served_link final : sigrun_link {
    explicit served_link(std::shared_ptr<served_session> of) : session(std::move(of)) {}

    sigrun_result send(const sigrun_frame& frame) override { return session->send_frame(frame); }
    sigrun_result ping(sigrun_op op) override { return session->ping_peer(op); }
    sigrun_result call(const sigrun_call&, const sigrun_sink&, sigrun_op) override { return SIGRUN_E_UNSUPPORTED; }
    void close(sigrun_result why, sigrun_op op) override {
        auto keep = session;
        const auto host = keep->on().shared().host;
        auto finish = [this, keep, host, why, op] {
            keep->close_session(why == SIGRUN_OK ? "closed by the host"
                                                 : sdk::concat("closed by the host (result ", why, ")"));
            delete this;
            host.complete(op, SIGRUN_OK);
        };
        if (!keep->on().on().post(finish)) finish();  // the loop has ended: nobody else uses the stream
    }

    std::shared_ptr<served_session> session;
};

sigrun_frame error_reply(std::string_view json) noexcept {
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = SIGRUN_REPLY;
    f.flags = SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR;
    f.json = sdk::str(json);
    return f;
}

}  // namespace

served_session::served_session(std::shared_ptr<accepted> on, request_head head)
    : session_stream(on), owner_(*on), head_(std::move(head)) {
    if (head_.deadline_ns) owner_.arm_soon(head_.deadline_ns);
}

void served_session::on_headers(const fields&, bool) {
    {
        std::lock_guard lock(owner_.mutex());
        show_head();
    }
    owner_.wake();
}

// ---- The call

void served_session::on_call(v1::CallRequest call) {
    if (std::exchange(called_, true))
        return fail({code::invalid_argument, "call: expected once, as the first message", {}});
    if (call.method().empty())
        return refuse_call(
            status_of({"invalid", "a call without a method", "method", "one such as version.get", "nothing"}).problem);
    auto& host = owner_.shared().host;
    sdk::buffer payload;
    if (call.has_payload()) payload = sdk::buffer(host, call.payload());
    sigrun_call request{};
    request.struct_size = sizeof request;
    request.method = sdk::str(call.method());
    request.params = sdk::str(call.params());
    request.json = sdk::str(call.document());
    request.auth = sdk::str(head_.auth);
    request.payload = payload.get();
    if (call.timeout_us())
        request.deadline_ns = now_ns() + std::min<std::uint64_t>(call.timeout_us(), 1ull << 50) * 1000;
    call_ = std::make_shared<host_call>(owner_.shared_ptr());
    const auto weak = weak_from_this();
    std::string problem;
    const auto result = call_->begin(
        owner_.session(), request,
        [weak](const sigrun_frame& frame) -> sigrun_result {
            const auto me = std::static_pointer_cast<served_session>(weak.lock());
            return me ? me->reply(frame) : SIGRUN_E_CANCELLED;
        },
        problem);
    if (result < 0) refuse_call(status_of(problem, result).problem);
}

void served_session::refuse_call(std::string_view problem_json) {
    if (queue_reply(error_reply(problem_json)) == SIGRUN_E_INVALID)
        queue_reply(error_reply(R"({"code":"internal","title":"the call failed"})"));
}

/// [any]
sigrun_result served_session::reply(const sigrun_frame& frame) {
    const auto result = queue_reply(frame);
    if (result == SIGRUN_OK && (frame.flags & SIGRUN_FRAME_LINK)) adopt(sdk::view(frame.json));
    return result;
}

sigrun_result served_session::queue_reply(const sigrun_frame& frame) {
    const bool last = (frame.flags & SIGRUN_FRAME_LAST) != 0;
    const bool link = (frame.flags & SIGRUN_FRAME_LINK) != 0;
    auto& shared = owner_.shared();
    auto message = encode_frame(frame, shared.host.content(frame.payload));
    if (!message || message->size() > shared.options.now().max_message) return SIGRUN_E_INVALID;
    {
        std::lock_guard lock(owner_.mutex());
        if (ended()) return SIGRUN_E_CANCELLED;
        if (!last && full()) {
            wants_room();
            return SIGRUN_E_BUSY;
        }
        put(std::move(*message));
        if (link) linked_ = true;
        if (link && shared.retiring) say_reconnect();
        if (last && (frame.flags & SIGRUN_FRAME_ERROR)) shared.count.failed_call();
        if (last && !linked_) finish();
    }
    owner_.wake();
    return SIGRUN_OK;
}

/// [any] The stream becomes a link. Frames that arrive before its sink is there are kept.
void served_session::adopt(std::string_view reply_json) {
    boost::system::error_code error;
    const auto document = boost::json::parse(reply_json, error);
    const auto* object = error ? nullptr : document.if_object();
    const auto* ticket = object ? object->if_contains("ticket") : nullptr;
    std::string why = "the host's reply makes a link but has no member 'ticket'";
    auto& shared = owner_.shared();
    const bool here = owner_.on().on_thread();
    if (here) in().expect();
    if (ticket && ticket->is_string() && shared.links) {
        auto link = std::make_unique<served_link>(self());
        const sigrun_sink* frames = nullptr;
        sdk::error_text text;
        const auto result =
            shared.links->adopt(shared.host.abi(), owner_.session(), sdk::str(std::string_view(ticket->get_string())),
                                link.get(), &frames, &text.abi);
        if (result == SIGRUN_OK && frames) {
            link.release();
            if (here && !asker_done_) return open_session(*frames);
            owner_.on().post([me = self(), sink = *frames] {
                me->open_session(sink);
                if (me->asker_done_) me->on_remote_end();
            });
            return;
        }
        why = sdk::concat("the host did not adopt the link: ", text.text());
    }
    owner_.on().post([me = self(), why] { me->fail({code::internal, why, {}}); });
}

bool served_session::granted() {
    std::lock_guard lock(owner_.mutex());
    return linked_;
}

// ---- Its end

void served_session::on_remote_end() {
    asker_done_ = true;
    if (!called_) return fail({code::invalid_argument, "call: expected as the first message, found none", {}});
    if (!in().is_open()) return;  // it asked, and only waits for replies
    in().close("the peer ended the session", false);
    {
        std::lock_guard lock(owner_.mutex());
        finish();
    }
    owner_.wake();
}

void served_session::on_malformed(const status& why) { fail(why); }

void served_session::fail(const status& why) {
    {
        std::lock_guard lock(owner_.mutex());
        if (!ended()) owner_.shared().count.failed_call();
        finish(why);
    }
    owner_.wake();
    in().close(why.message, false);
    if (call_) call_->end();
}

void served_session::on_room() {
    if (call_) call_->resume();
}

std::uint64_t served_session::deadline() const noexcept {
    const auto mine = session_stream::deadline();
    if (!mine || !head_.deadline_ns) return std::max(mine, head_.deadline_ns);
    return std::min(mine, head_.deadline_ns);
}

void served_session::on_deadline(std::uint64_t now) {
    if (head_.deadline_ns && now >= head_.deadline_ns) {
        head_.deadline_ns = 0;
        return fail(status_of({"timeout", "the deadline of the stream has passed"}));
    }
    session_stream::on_deadline(now);
}

void served_session::on_retire() {
    {
        std::lock_guard lock(owner_.mutex());
        if (linked_ && !ended()) say_reconnect();
    }
    owner_.wake();
}

/// With the mutex held.
void served_session::say_reconnect() {
    if (std::exchange(told_, true)) return;
    sigrun_frame bye{};
    bye.struct_size = sizeof bye;
    bye.kind = SIGRUN_BYE;
    bye.json = sdk::str(k_reconnect_json);
    if (auto message = encode_frame(bye, {})) put(std::move(*message));
}

void served_session::on_ended(sigrun_result, const std::string&) {
    if (call_) call_->end();
}

}  // namespace sigrun::grpc
