#include "dial/dialled_link.hpp"

#include "dial/health_question.hpp"
#include "wire/problem.hpp"

namespace sigrun::grpc {

namespace {
constexpr std::size_t k_max_calls = 1024;
}

// ---- Opening

void dialled_link::open(const dial_request& request, sdk::op done) {
    self_ = shared_from_this();
    auto op = std::make_shared<sdk::op>(std::move(done));
    try {
        open_connection(request, [me = self_, op](const opened& made) { me->on_connected(made, op); });
    } catch (const sdk::failure& f) {
        on_connected({nullptr, f.code(), f.what(), 0}, op);
    }
}

void dialled_link::on_connected(const opened& made, const std::shared_ptr<sdk::op>& done) {
    if (made.result != SIGRUN_OK || !made.peer) {
        const auto keep = std::move(self_);
        return done->fail(made.result == SIGRUN_OK ? SIGRUN_E_IO : made.result, made.why);
    }
    auto answered = [me = self_, peer = made.peer, done](const health_answer& a) {
        if (a.result == SIGRUN_OK && a.grpc && a.what == code::ok) {
            me->adopt(peer);
            return done->ok();
        }
        const auto why =
            a.result != SIGRUN_OK ? a.why
            : a.grpc ? sdk::concat("the peer speaks gRPC but has no sigrun.v1.Sessions (health: ", name_of(a.what), ")")
                     : sdk::concat("the peer speaks HTTP/2 but no gRPC (HTTP status ", a.http, ")");
        const auto keep = std::move(me->self_);
        peer->end(SIGRUN_E_CANCELLED, NGHTTP2_NO_ERROR, "not what was looked for");
        done->fail(a.result != SIGRUN_OK ? a.result : SIGRUN_E_UNSUPPORTED, why);
    };
    made.peer->end_at(loop_.now() + ns(shared_->options.now().connect_timeout));
    ask_health(made.peer, "sigrun.v1.Sessions", answered);
}

/// [loop]
void dialled_link::adopt(std::shared_ptr<dialled> peer) {
    peer->end_at(0);
    std::weak_ptr<dialled_link> weak = self_;
    peer->when_gone([weak](sigrun_result, const std::string& why) {
        if (const auto me = weak.lock()) me->lost(why);
    });
    peer->when_told_to_go([weak] {
        const auto me = weak.lock();
        if (!me) return;
        if (const auto session = me->session()) session->told_to_go();
    });
    peer_ = std::move(peer);
}

std::shared_ptr<dialled_call> dialled_link::session() {
    std::lock_guard lock(mutex_);
    return session_;
}

// ---- Operations

sigrun_result dialled_link::send(const sigrun_frame& frame) {
    const auto to = session();
    return to ? to->send_frame(frame) : SIGRUN_E_IO;
}

sigrun_result dialled_link::ping(sigrun_op token) {
    if (const auto to = session()) return to->ping_peer(token);
    auto op = std::make_shared<sdk::op>(shared_->host, token);
    const auto result = peer_->ping([op](sigrun_result answer, std::uint64_t rtt_ns) {
        if (answer == SIGRUN_OK)
            op->ok(sdk::concat(R"({"rtt_ns":)", rtt_ns, "}"));
        else
            op->fail(answer, "the connection ended before the answer");
    });
    if (result < 0) op->forget();
    return result;
}

sigrun_result dialled_link::call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op token) {
    std::uint64_t left_us = 0;
    if (call.deadline_ns) {
        const auto now = now_ns();
        if (call.deadline_ns <= now) return SIGRUN_E_TIMEOUT;
        left_us = std::max<std::uint64_t>((call.deadline_ns - now) / 1000, 1);
    }
    auto auth = std::string(sdk::view(call.auth));
    if (auth.find_first_of("\r\n") != std::string::npos || !call.method.len) return SIGRUN_E_INVALID;
    const auto scheme = auth.substr(0, auth.find(' '));
    if (scheme != "bearer" && scheme != "basic") auth.clear();  // a uid is the socket's to prove
    auto message = encode_call(call, shared_->host.content(call.payload), left_us);
    if (!message || message->size() > shared_->options.now().max_message) return SIGRUN_E_INVALID;
    if (calls_.fetch_add(1) >= k_max_calls) {
        --calls_;
        return SIGRUN_E_BUSY;
    }
    auto op = std::make_shared<sdk::op>(shared_->host, token);
    auto text = std::make_shared<std::string>(std::move(*message));
    auto begin = [me = shared_from_this(), op, text, auth, replies, deadline = call.deadline_ns] {
        dialled_call::ends tell;
        std::weak_ptr<dialled_link> weak = me;
        tell.opened = [weak](const std::shared_ptr<dialled_call>& stream) {
            const auto link = weak.lock();
            if (!link || link->told_) return stream->close_session("closed by the host");
            {
                std::lock_guard lock(link->mutex_);
                link->session_ = stream;
            }
            stream->open_session(link->frames_);
            if (link->peer_->is_told_to_go()) stream->told_to_go();
        };
        tell.over = [me] { --me->calls_; };
        auto made = std::make_shared<dialled_call>(me->peer_, replies, std::move(*op), deadline, std::move(tell));
        made->start(std::move(*text), auth);
    };
    if (loop_.post(begin)) return SIGRUN_PENDING;
    --calls_;
    op->forget();
    return SIGRUN_E_IO;
}

// ---- The end

/// [loop] The connection is gone. A session has said it already.
void dialled_link::lost(const std::string& why) {
    if (std::exchange(told_, true) || session()) return;
    const auto json = bye_json(why);
    sigrun_frame bye{};
    bye.struct_size = sizeof bye;
    bye.kind = SIGRUN_BYE;
    bye.flags = SIGRUN_FRAME_LAST;
    bye.json = sdk::str(json);
    frames_.on_frame(frames_.ctx, &bye);
}

void dialled_link::close(sigrun_result why, sigrun_op token) {
    auto op = std::make_shared<sdk::op>(shared_->host, token);
    const auto text =
        why == SIGRUN_OK ? std::string("closed by the host") : sdk::concat("closed by the host (result ", why, ")");
    auto finish = [me = shared_from_this(), op, text] {
        const auto keep = std::move(me->self_);
        if (const auto session = me->session()) {
            me->told_ = true;
            session->close_session(text);
            if (!me->peer_->is_over()) me->peer_->flush();  // the BYE goes before the connection
        }
        me->peer_->end(SIGRUN_E_CANCELLED, NGHTTP2_NO_ERROR, text);
        {
            std::lock_guard lock(me->mutex_);
            me->session_.reset();
        }
        op->ok();
    };
    if (!loop_.post(finish)) finish();  // the loop has ended: nobody else uses the connection
}

}  // namespace sigrun::grpc
