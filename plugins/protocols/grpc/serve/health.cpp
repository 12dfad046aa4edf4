#include "serve/health.hpp"

#include "grpc/health/v1/health.pb.h"
#include "serve/methods.hpp"

namespace sigrun::grpc {

namespace {
namespace pb = ::grpc::health::v1;
using answer = pb::HealthCheckResponse;
constexpr std::uint64_t k_look_again_ns = 1'000'000'000;
}  // namespace

health_call::health_call(std::shared_ptr<accepted> on, request_head head)
    : stream(on), owner_(*on), head_(std::move(head)), watches_(head_.what->replies == shape::health_watch) {
    if (head_.deadline_ns) owner_.arm_soon(head_.deadline_ns);
}

void health_call::on_message(std::string message) {
    pb::HealthCheckRequest request;
    if (std::exchange(has_request_, true) || !request.ParseFromString(message))
        return on_malformed({code::invalid_argument, "expected one grpc.health.v1.HealthCheckRequest", {}});
    service_ = request.service();
}

void health_call::on_remote_end() {
    if (!has_request_) return on_malformed({code::invalid_argument, "expected a request, found none", {}});
    if (service_.empty() && owner_.shared().calls) return ask();
    if (service_.empty() || is_service(service_)) return tell(answer::SERVING);
    if (watches_) return tell(answer::SERVICE_UNKNOWN);
    settle(status_of({"not_found", "no such service", "service", "\"\" or a service of this server", shown(service_)}));
}

void health_call::ask() {
    ask_at_ = 0;
    sigrun_call request{};
    request.struct_size = sizeof request;
    request.method = sdk::str("health.ready");
    request.auth = sdk::str(head_.auth);
    call_ = std::make_shared<host_call>(owner_.shared_ptr());
    const auto weak = weak_from_this();
    std::string problem;
    const auto result = call_->begin(
        owner_.session(), request,
        [weak](const sigrun_frame& frame) -> sigrun_result {
            const auto me = std::static_pointer_cast<health_call>(weak.lock());
            return me ? me->reply(frame) : SIGRUN_E_CANCELLED;
        },
        problem);
    if (result < 0) {
        sigrun_frame refused{};
        refused.flags = SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR;
        refused.json = sdk::str(problem);
        reply(refused);
    }
    if (!watches_) return;
    ask_at_ = owner_.on().now() + k_look_again_ns;
    owner_.arm_soon(ask_at_);
}

/// [any]
sigrun_result health_call::reply(const sigrun_frame& frame) {
    if (!(frame.flags & SIGRUN_FRAME_LAST)) return SIGRUN_OK;
    auto serving = answer::SERVING;
    if (frame.flags & SIGRUN_FRAME_ERROR) {
        const auto how = status_of(sdk::view(frame.json), SIGRUN_E_INTERNAL);
        // A runner's agent knows no such method, and is ready when it answers.
        const bool unknown =
            how.what == code::not_found || how.what == code::unimplemented || how.what == code::invalid_argument;
        if (!unknown) serving = answer::NOT_SERVING;
    }
    tell(serving);
    return SIGRUN_OK;
}

/// [any]
void health_call::tell(int serving) {
    {
        std::lock_guard lock(owner_.mutex());
        if (ended() || told_ == serving) return;
        told_ = serving;
        answer message;
        message.set_status(static_cast<answer::ServingStatus>(serving));
        put(framed_message(message));
        if (!watches_) finish();
    }
    owner_.wake();
}

void health_call::settle(const status& how) {
    {
        std::lock_guard lock(owner_.mutex());
        if (ended()) return;
        owner_.shared().count.failed_call();
        finish(how);
    }
    owner_.wake();
}

void health_call::on_malformed(const status& why) { settle(why); }

std::uint64_t health_call::deadline() const noexcept {
    if (!ask_at_ || !head_.deadline_ns) return std::max(ask_at_, head_.deadline_ns);
    return std::min(ask_at_, head_.deadline_ns);
}

void health_call::on_deadline(std::uint64_t now) {
    if (head_.deadline_ns && now >= head_.deadline_ns) {
        head_.deadline_ns = ask_at_ = 0;
        settle(status_of({"timeout", "the call's deadline has passed"}));
    } else if (ask_at_ && now >= ask_at_) {
        ask();
    }
}

void health_call::on_retire() {
    ask_at_ = 0;
    if (watches_) settle(status_of({"unavailable", "a newer generation serves from now on; watch there"}));
}

void health_call::on_closed(sigrun_result, const std::string&) {
    ask_at_ = 0;
    if (call_) call_->end();
}

}  // namespace sigrun::grpc
