#include "serve/accepted.hpp"

#include "serve/health.hpp"
#include "serve/methods.hpp"
#include "serve/plain_call.hpp"
#include "serve/served_session.hpp"
#include "wire/agent.hpp"

#include <sigrun/cpp/request_context.hpp>

namespace sigrun::grpc {

namespace {
constexpr std::uint64_t k_quiet_own_ns = 30'000'000'000;  // a peer that was told in the session alone
constexpr std::uint64_t k_quiet_ns = 1'000'000'000;       // one that has GOAWAY and opens nothing any more

/// "Bearer x" as "bearer x"; nothing for schemes nobody here knows.
std::optional<std::string> credentials(std::string_view value) {
    const auto space = value.find(' ');
    std::string scheme(value.substr(0, space));
    for (char& c : scheme)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    if (space == std::string_view::npos || (scheme != "bearer" && scheme != "basic")) return std::nullopt;
    return scheme + std::string(value.substr(space));
}
}  // namespace

accepted::accepted(core_ptr shared, loop& on, int fd, origin from)
    : connection(std::move(shared), on, fd, role::accepted), from_(std::move(from)) {}

std::shared_ptr<stream> accepted::make_stream(std::int32_t id, const fields& block) {
    const auto type = block.find("content-type");
    if (block.find(":method") != "POST") return refuse_http(id, 405), nullptr;
    // "application/grpc", "+proto", and parameters. Nothing a browser sends without being asked for it first.
    if (type.substr(0, 16) != "application/grpc" || type.substr(0, 20) == "application/grpc-web")
        return refuse_http(id, 415), nullptr;
    if (type.substr(0, 17) == "application/grpc+" && type.substr(0, 22) != "application/grpc+proto")
        return refuse(id, status_of({"unsupported", "wrong content type", "content-type", "application/grpc+proto",
                                     shown(type)})),
               nullptr;
    if (is_own_agent(block.find("user-agent"))) own_peer_ = true;
    shared().count.call();
    request_head head;
    head.what = find_method(block.find(":path"));
    if (!head.what)
        return refuse(id, status_of({"unsupported", "no such method", ":path",
                                     "a method of sigrun.v1 or grpc.health.v1.Health", shown(block.find(":path"))})),
               nullptr;
    if (const auto given = block.find("grpc-timeout"); !given.empty()) {
        const auto left = parse_timeout(given);
        if (!left)
            return refuse(id, status_of({"invalid", "wrong value", "grpc-timeout", "digits and a unit", shown(given)})),
                   nullptr;
        head.deadline_ns = now_ns() + std::max<std::uint64_t>(*left, 1);
    }
    head.auth = from_.auth;
    if (const auto given = block.find("authorization"); !given.empty()) {
        const auto known = credentials(given);
        if (!known || !sdk::is_utf8(*known))
            return refuse(id, status_of({"unauthenticated",
                                         "unknown credentials",
                                         "authorization",
                                         "the scheme Bearer or Basic",
                                         {}})),
                   nullptr;
        head.auth = *known;
    }
    if (const auto given = block.find("x-request-id"); !given.empty()) {
        if (!sdk::is_request_id(given))
            return refuse(id, status_of({"invalid", "wrong value", "x-request-id", std::string(sdk::k_request_id_form),
                                         shown(given)})),
                   nullptr;
        head.request_id = given;
    }
    if (const auto given = block.find("traceparent"); sdk::is_trace_parent(given)) head.trace_parent = given;
    if (!shared().calls && (head.what->replies == shape::unary || head.what->replies == shape::streaming ||
                            head.what->replies == shape::session))
        return refuse(id, status_of({"unsupported", "this host takes no calls"})), nullptr;
    switch (head.what->replies) {
        case shape::session: return std::make_shared<served_session>(self(), std::move(head));
        case shape::health_check:
        case shape::health_watch: return std::make_shared<health_call>(self(), std::move(head));
        default: return std::make_shared<plain_call>(self(), std::move(head));
    }
}

void accepted::on_open() {
    if (shared().retiring) retire();
}

void accepted::on_released() {
    if (from_.lifetime) shared().host.complete(from_.lifetime, SIGRUN_OK);
}

// ---- Going

/// HTTP/2 has GOAWAY for it. The first one names no stream, so that nothing on its way is lost: the peer opens no more
/// streams, finishes those it has, and closes. Sigrun's own dialling side would have to refuse calls on a link after it;
/// it is told by the session instead.
void accepted::retire() {
    if (retired_at_ || !is_open()) return;  // on_open comes here again
    retired_at_ = on().now();
    if (!own_peer_) nghttp2_submit_shutdown_notice(h2());
    each_stream([](stream& s) { s.on_retire(); });
    wake();
    arm_deadlines();
}

void accepted::cut() { end(SIGRUN_E_TIMEOUT, NGHTTP2_NO_ERROR, "retired: the deadline has passed"); }

/// When a retired connection that nobody uses is closed; 0 = it is not retired.
std::uint64_t accepted::quiet_until() const noexcept {
    if (!retired_at_ || !is_idle()) return 0;
    return std::max(retired_at_, last_activity()) + (own_peer_ ? k_quiet_own_ns : k_quiet_ns);
}

std::uint64_t accepted::next_deadline() const noexcept {
    const auto idle = ns(shared().options.now().idle_timeout);
    auto next = ~std::uint64_t{0};
    if (const auto at = quiet_until()) next = std::min(next, at);
    if (idle && is_idle()) next = std::min(next, last_activity() + idle);
    return next == ~std::uint64_t{0} ? 0 : next;
}

void accepted::more_deadlines(std::uint64_t now) {
    if (const auto at = quiet_until(); at && now >= at)
        end_if_idle(NGHTTP2_NO_ERROR, "retired: the peer was told to go elsewhere and has not called since");
    const auto idle = ns(shared().options.now().idle_timeout);
    if (is_open() && idle && is_idle() && now >= last_activity() + idle)
        end_if_idle(NGHTTP2_NO_ERROR, "idle: no call before idle_timeout");
}

void accepted::end_if_idle(std::uint32_t h2_error, const std::string& why) {
    if (is_over() || !is_idle()) return;
    if (has_unread()) return touch_activity(on().now());  // the beginning of a call: closing now would lose it
    end(SIGRUN_E_TIMEOUT, h2_error, why);
}

}  // namespace sigrun::grpc
