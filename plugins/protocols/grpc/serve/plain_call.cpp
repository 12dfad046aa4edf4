#include "serve/plain_call.hpp"

#include "serve/methods.hpp"

#include <sigrun/cpp/request_context.hpp>

namespace sigrun::grpc {

plain_call::plain_call(std::shared_ptr<accepted> on, request_head head)
    : stream(on), owner_(*on), head_(std::move(head)) {
    if (head_.deadline_ns) owner_.arm_soon(head_.deadline_ns);
}

void plain_call::on_message(std::string message) {
    if (std::exchange(has_request_, true))
        return on_malformed({code::unimplemented, "expected one message in the request, found more", {}});
    request_ = std::move(message);
}

void plain_call::on_remote_end() {
    if (!has_request_)
        return on_malformed({code::unimplemented, "expected one message in the request, found none", {}});
    if (!call_) begin();
}

void plain_call::begin() {
    call_parts parts;
    if (const auto bad = head_.what->parse(request_, parts)) return settle(status_of(*bad));
    request_ = {};
    auto& host = owner_.shared().host;
    sdk::buffer payload;
    if (parts.has_payload) payload = sdk::buffer(host, parts.payload);
    parts.params = sdk::with_request_context(parts.params, head_.request_id, head_.trace_parent);
    sigrun_call request{};
    request.struct_size = sizeof request;
    request.method = sdk::str(parts.method);
    request.params = sdk::str(parts.params);
    request.json = sdk::str(parts.document);
    request.auth = sdk::str(head_.auth);
    request.payload = payload.get();
    request.deadline_ns = head_.deadline_ns;
    call_ = std::make_shared<host_call>(owner_.shared_ptr());
    const auto weak = weak_from_this();
    std::string problem;
    const auto result = call_->begin(
        owner_.session(), request,
        [weak](const sigrun_frame& frame) -> sigrun_result {
            const auto me = std::static_pointer_cast<plain_call>(weak.lock());
            return me ? me->reply(frame) : SIGRUN_E_CANCELLED;
        },
        problem);
    if (result < 0) return settle(status_of(problem, result));
    if (head_.what->replies == shape::streaming) {
        std::lock_guard lock(owner_.mutex());
        if (!ended()) show_head();
    }
    owner_.wake();
}

/// [any] One reply of the host.
sigrun_result plain_call::reply(const sigrun_frame& frame) {
    const bool last = (frame.flags & SIGRUN_FRAME_LAST) != 0;
    const bool streams = head_.what->replies == shape::streaming;
    auto& shared = owner_.shared();
    {
        std::lock_guard lock(owner_.mutex());
        if (ended()) return SIGRUN_E_CANCELLED;
        if (!last && full()) {
            wants_room();
            return SIGRUN_E_BUSY;
        }
    }
    const auto json = sdk::view(frame.json);
    std::optional<std::string> message;
    status how;
    if (frame.flags & SIGRUN_FRAME_ERROR) {
        how = status_of(json, SIGRUN_E_INTERNAL);
    } else if (frame.flags & SIGRUN_FRAME_LINK) {
        how = status_of(
            {"invalid", "this method opens a session", "method", "another one, or sigrun.v1.Sessions/Open", {}});
    } else if (streams || last) {
        if (!sdk::is_utf8(json)) return SIGRUN_E_INVALID;
        message = head_.what->render({json, shared.host.content(frame.payload), frame.payload != nullptr, last});
        if (message && message->size() > shared.options.now().max_message) return SIGRUN_E_INVALID;
    }
    {
        std::lock_guard lock(owner_.mutex());
        if (ended()) return SIGRUN_E_CANCELLED;
        if (message) put(std::move(*message));
        if (last || !how.ok()) {
            if (!how.ok()) shared.count.failed_call();
            finish(std::move(how));
        }
    }
    owner_.wake();
    return SIGRUN_OK;
}

void plain_call::settle(const status& how) {
    {
        std::lock_guard lock(owner_.mutex());
        if (ended()) return;
        owner_.shared().count.failed_call();
        finish(how);
    }
    owner_.wake();
}

void plain_call::on_malformed(const status& why) {
    settle({why.what, why.message, to_json({problem_code_of(why.what), why.message})});
    if (call_) call_->end();
}

void plain_call::on_deadline(std::uint64_t now) {
    if (!head_.deadline_ns || now < head_.deadline_ns) return;
    head_.deadline_ns = 0;
    settle(status_of({"timeout", "the call's deadline has passed; what it started goes on"}));
    if (call_) call_->end();
}

void plain_call::on_room() {
    if (call_) call_->resume();
}

void plain_call::on_closed(sigrun_result, const std::string&) {
    if (call_) call_->end();
}

}  // namespace sigrun::grpc
