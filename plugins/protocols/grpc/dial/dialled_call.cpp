#include "dial/dialled_call.hpp"

#include "wire/problem.hpp"

#include <charconv>

namespace sigrun::grpc {

namespace {
constexpr std::uint64_t k_give_again_ns = 10'000'000;
constexpr std::size_t k_most_waiting = 256 << 10;

/// What an HTTP status means where there is none of gRPC (grpc/doc/http-grpc-status-mapping.md).
code code_of_http(std::string_view http) noexcept {
    if (http == "400") return code::internal;
    if (http == "401") return code::unauthenticated;
    if (http == "403") return code::permission_denied;
    if (http == "404" || http == "405" || http == "415") return code::unimplemented;
    if (http == "429" || http == "502" || http == "503" || http == "504") return code::unavailable;
    return code::unknown;
}
}  // namespace

dialled_call::dialled_call(std::shared_ptr<dialled> on, const sigrun_sink& replies, sdk::op done,
                           std::uint64_t deadline_ns, ends tell)
    : session_stream(on),
      owner_(*on),
      replies_(replies),
      op_(std::move(done)),
      deadline_ns_(deadline_ns),
      tell_(std::move(tell)) {}

void dialled_call::start(std::string message, std::string authorization) {
    const auto keep = shared_from_this();
    {
        std::lock_guard lock(owner_.mutex());
        put(std::move(message));
    }
    if (!owner_.submit(keep, owner_.request_head("/sigrun.v1.Sessions/Open", authorization))) {
        op_.fail(SIGRUN_E_IO, owner_.is_told_to_go() ? "the peer goes and takes no new call on this connection"
                                                     : "the connection has ended");
        if (auto over = std::exchange(tell_.over, nullptr)) over();
        tell_ = {};
        return;
    }
    if (deadline_ns_) owner_.arm_soon(deadline_ns_);
}

// ---- What arrives

void dialled_call::on_headers(const fields& block, bool) {
    const auto http = block.find(":status");
    if (!http.empty() && http != "200") {
        has_status_ = true;
        how_ = {code_of_http(http), sdk::concat("the peer answered with HTTP status ", shown(http)), {}};
        return;
    }
    const auto given = block.find("grpc-status");
    if (given.empty()) return;
    int number = 2;
    std::from_chars(given.data(), given.data() + given.size(), number);
    has_status_ = true;
    how_.what = number >= 0 && number <= 16 ? static_cast<code>(number) : code::unknown;
    how_.message = percent_decode(block.find("grpc-message"));
    how_.message.resize(sdk::utf8_prefix(how_.message));
    if (auto bytes = from_base64(block.find("sigrun-problem-bin"))) how_.problem = std::move(*bytes);
}

void dialled_call::on_reply(v1::Frame reply) {
    if (last_given_ || (!waiting_.empty() && (waiting_.back().flags() & SIGRUN_FRAME_LAST)))
        return fail({code::invalid_argument, "a REPLY followed the last one", {}});
    if (reply.flags() & SIGRUN_FRAME_LINK) {
        linked_ = true;
        in().expect();
    }
    waiting_bytes_ += reply.payload().size() + reply.json().size();
    waiting_.push_back(std::move(reply));
    if (!give_at_) give_replies();
}

void dialled_call::give_replies() {
    const auto keep = shared_from_this();
    give_at_ = 0;
    while (!waiting_.empty() && !last_given_) {
        if (!give(waiting_.front())) {
            give_at_ = owner_.on().now() + k_give_again_ns;
            owner_.arm_soon(give_at_);
            break;
        }
        const auto given = std::move(waiting_.front());
        waiting_.pop_front();
        waiting_bytes_ -= given.payload().size() + given.json().size();
        if (!(given.flags() & SIGRUN_FRAME_LAST)) continue;
        last_given_ = true;
        deadline_ns_ = 0;
        if (linked_ && tell_.opened) tell_.opened(std::static_pointer_cast<dialled_call>(keep));
        op_.ok();
        if (linked_) break;
        {
            std::lock_guard lock(owner_.mutex());
            finish();
        }
        owner_.wake();
    }
    if (!last_given_) hold_window(waiting_bytes_ > k_most_waiting);
}

/// False: the sink is busy.
bool dialled_call::give(const v1::Frame& reply) {
    frame_view seen(reply);
    sdk::buffer payload;
    if (reply.has_payload()) {
        payload = sdk::buffer(owner_.shared().host, reply.payload());
        seen.frame.payload = payload.get();
    }
    return replies_.on_frame(replies_.ctx, &seen.frame) != SIGRUN_E_BUSY;
}

/// What the server answered instead of a reply becomes one.
void dialled_call::give_problem(const status& how) {
    const auto json =
        how.problem.empty() || !sdk::is_utf8(how.problem)
            ? to_json({problem_code_of(how.what), how.message.empty() ? std::string(name_of(how.what)) : how.message})
            : how.problem;
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_REPLY;
    frame.flags = SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR;
    frame.json = sdk::str(json);
    replies_.on_frame(replies_.ctx, &frame);
}

// ---- Time

std::uint64_t dialled_call::deadline() const noexcept {
    auto next = ~std::uint64_t{0};
    for (const auto at : {session_stream::deadline(), give_at_, deadline_ns_})
        if (at) next = std::min(next, at);
    return next == ~std::uint64_t{0} ? 0 : next;
}

void dialled_call::on_deadline(std::uint64_t now) {
    if (deadline_ns_ && now >= deadline_ns_) {
        deadline_ns_ = 0;
        last_given_ = true;
        waiting_.clear();
        op_.fail(SIGRUN_E_TIMEOUT, "the call was not answered before its deadline");
        return reset(NGHTTP2_CANCEL);
    }
    if (give_at_ && now >= give_at_) give_replies();
    session_stream::on_deadline(now);
}

// ---- The end

void dialled_call::told_to_go() { in().say(SIGRUN_BYE, 0, k_reconnect_json); }

void dialled_call::on_malformed(const status& why) { fail(why); }

void dialled_call::fail(const status& why) {
    in().close(why.message, false);
    if (op_) op_.fail(SIGRUN_E_IO, why.message);
    reset(NGHTTP2_CANCEL);
}

void dialled_call::on_ended(sigrun_result result, const std::string& why) {
    if (op_) {
        // Replies the sink has not taken are lost with the stream, the reason is not.
        // A peer of ours says what the problem is: else it is somebody in between that did not reach it.
        const bool between = how_.what == code::unavailable && how_.problem.empty();
        if (has_status_ && between && waiting_.empty()) {
            op_.fail(SIGRUN_E_IO, how_.message.empty() ? std::string("the peer is unavailable") : how_.message);
        } else if (has_status_ && !how_.ok() && waiting_.empty()) {
            give_problem(how_);
            op_.ok();
        } else if (result == SIGRUN_OK) {
            op_.fail(SIGRUN_E_IO, "the peer ended its answer before the last reply");
        } else {
            op_.fail(result == SIGRUN_E_TIMEOUT ? SIGRUN_E_IO : result, why);
        }
    }
    const auto keep = shared_from_this();
    if (auto over = std::exchange(tell_.over, nullptr)) over();
    tell_ = {};
}

}  // namespace sigrun::grpc
