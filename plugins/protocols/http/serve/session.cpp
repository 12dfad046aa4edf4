#include "serve/session.hpp"

#include "serve/server.hpp"
#include "wire/text.hpp"

namespace sigrun::http {
namespace {
constexpr std::size_t k_answer_size = std::size_t{1} << 20;
constexpr auto k_farewell = std::chrono::seconds(5);  // how long a closed session waits for the peer to hear of it
constexpr std::size_t k_max_pings = 16;
}  // namespace

session::session(server& owner, loop& where, std::string token)
    : owner_(owner), loop_(where), token_(std::move(token)), last_seen_(clock::now()) {}

sigrun_result session::adopt(std::uint64_t connection, std::string_view ticket, sigrun_error* error) {
    self_ = shared_from_this();
    loop_.add(self_);
    const sigrun_sink* frames = nullptr;
    const auto result = owner_.links()->adopt(owner_.host().abi(), connection, sdk::str(ticket), this, &frames, error);
    if (result != SIGRUN_OK) {
        dead_ = host_closed_ = true;
        self_.reset();
        leave_if_over();
        return result < 0 ? result : SIGRUN_E_INTERNAL;
    }
    frames_ = frames;
    if (owner_.retiring()) say_reconnect();
    return SIGRUN_OK;
}

// ---- Frames to the peer

sigrun_result session::queue(wire_frame frame) {
    const auto result = out_.push(std::move(frame));
    if (result == SIGRUN_OK) wake();
    return result;
}

void session::wake() {
    if (woken_.exchange(true)) return;
    loop_.post([self = shared_from_this()] {
        self->woken_.store(false);
        if (self->poll_ && self->out_.has_after(self->poll_ack_))
            self->answer_poll(200, self->out_.array_after(self->poll_ack_, k_answer_size));
    });
}

void session::answer_poll(int status, std::string body) {
    if (!poll_) return;
    last_seen_ = clock::now();
    for (auto& p : pings_)
        if (!p.on_its_way) {
            p.on_its_way = true;
            p.sent = last_seen_;
        }
    const auto answer = std::exchange(poll_, nullptr);
    answer(status, std::move(body));
}

std::uint64_t session::poll(std::uint64_t ack, std::chrono::nanoseconds wait, poll_answer answer) {
    if (dead_) {
        answer(410, {});
        return 0;
    }
    seen_ack(ack);
    answer_poll(200, "[]");
    poll_ = std::move(answer);
    poll_ack_ = ack;
    poll_until_ = clock::now() + wait;
    const auto number = ++poll_number_;
    if (out_.has_after(ack)) {
        answer_poll(200, out_.array_after(ack, k_answer_size));
    } else if (wait.count() == 0) {
        answer_poll(200, "[]");
    }
    leave_if_over();
    return number;
}

void session::drop_poll(std::uint64_t number) {
    if (number != poll_number_ || !poll_) return;
    poll_ = nullptr;
    last_seen_ = clock::now();
}

void session::seen_ack(std::uint64_t ack) {
    last_seen_ = clock::now();
    out_.acknowledge(ack);
    for (auto it = pings_.begin(); it != pings_.end();) {
        if (it->seq > ack) {
            ++it;
            continue;
        }
        const auto rtt = std::chrono::duration_cast<std::chrono::nanoseconds>(last_seen_ - it->sent).count();
        auto op = std::move(it->op);
        it = pings_.erase(it);
        op.ok(sdk::concat("{\"rtt_ns\":", rtt, "}"));
    }
}

// ---- Frames from the peer

session::intake session::take(const std::vector<wire_frame>& frames) {
    intake out;
    out.ack = in_seq_;
    last_seen_ = clock::now();
    if (taking_) {  // a host callback led back here: the peer offers them again
        out.busy = true;
        return out;
    }
    taking_ = true;
    for (const auto& f : frames) {
        if (f.seq <= in_seq_) continue;
        out.gap = f.seq != in_seq_ + 1;
        out.found = f.seq;
        if (out.gap || !frames_ || dead_) break;
        if (f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST)) {
            in_seq_ = f.seq;
            die(f.json.empty() ? std::string_view("the peer closed the session") : std::string_view(f.json));
            break;
        }
        if (f.kind != k_kind_ping && deliver(f) == SIGRUN_E_BUSY) {
            out.busy = true;
            break;
        }
        in_seq_ = f.seq;
    }
    taking_ = false;
    out.ack = in_seq_;
    return out;
}

sigrun_result session::deliver(const wire_frame& f) { return deliver_frame(owner_.host(), *frames_, f); }

// ---- The end

void session::die(std::string_view reason) {
    if (dead_) return;
    const auto keep = shared_from_this();
    dead_ = true;
    owner_.sessions().forget(token_);  // first: a connection ends with the answer if its session is over
    answer_poll(410, {});
    for (auto& p : std::exchange(pings_, {})) p.op.fail(SIGRUN_E_IO, reason);
    if (const auto* sink = std::exchange(frames_, nullptr)) deliver_bye(*sink, reason);
    leave_if_over();
}

void session::say_reconnect() {
    if (told_ || dead_ || host_closed_) return;
    wire_frame bye;
    bye.kind = SIGRUN_BYE;
    bye.json = R"({"reason":"a newer generation of the protocol plugin serves from now on","reconnect":true})";
    told_ = queue(std::move(bye)) == SIGRUN_OK;  // else the window is full: again at the next tick
}

void session::leave_if_over() {
    if (host_closed_ && !dead_ && out_.empty()) {
        dead_ = true;
        owner_.sessions().forget(token_);
        answer_poll(410, {});
    }
    if (host_closed_ && dead_) loop_.remove(this);
}

void session::tick(time_point now) {
    const auto keep = shared_from_this();
    if (owner_.retiring()) say_reconnect();
    if (poll_ && now >= poll_until_) answer_poll(200, "[]");
    if (host_closed_ && !dead_ && now - closed_at_ > k_farewell) out_.acknowledge(out_.last());
    leave_if_over();
    if (!dead_ && !poll_ && now - last_seen_ > owner_.options().session_timeout)
        die("no poll and no post came before the session timeout");
}

// ---- Link operations, [any]

sigrun_result session::execute(const sigrun_frame& offer) {
    auto f = copy_frame(offer, owner_.host().content(offer.payload));
    f.kind = SIGRUN_OFFER;
    return queue(std::move(f));
}

sigrun_result session::cancel(const sigrun_attempt& attempt, std::uint64_t grace_ns) {
    wire_frame f;
    f.kind = SIGRUN_CANCEL;
    f.attempt = attempt.number;
    f.job = sdk::view(attempt.job);
    f.token = sdk::view(attempt.token);
    f.time_ns = grace_ns;
    return queue(std::move(f));
}

sigrun_result session::send(const sigrun_frame& frame) {
    return queue(copy_frame(frame, owner_.host().content(frame.payload)));
}

sigrun_result session::ping(sigrun_op token) {
    auto op = std::make_shared<sdk::op>(owner_.host(), token);
    loop_.post([self = shared_from_this(), op] {
        if (self->dead_ || self->host_closed_) return op->fail(SIGRUN_E_IO, "the session is over");
        if (self->pings_.size() >= k_max_pings) return op->fail(SIGRUN_E_BUSY, "too many pings are waiting");
        if (self->out_.push({}) != SIGRUN_OK) return op->fail(SIGRUN_E_BUSY, "the send window is full");
        self->pings_.push_back({self->out_.last(), {}, false, std::move(*op)});
        self->wake();
    });
    return SIGRUN_PENDING;
}

void session::close(sigrun_result, sigrun_op token) {
    auto op = std::make_shared<sdk::op>(owner_.host(), token);
    loop_.post([self = shared_from_this(), op] {
        self->frames_ = nullptr;
        self->host_closed_ = true;
        self->closed_at_ = clock::now();
        for (auto& p : std::exchange(self->pings_, {})) p.op.fail(SIGRUN_E_CANCELLED, "the link was closed");
        if (!self->dead_) {
            wire_frame bye;
            bye.kind = SIGRUN_BYE;
            bye.flags = SIGRUN_FRAME_LAST;
            bye.json = "{\"reason\":\"closed\"}";
            if (self->queue(std::move(bye)) != SIGRUN_OK) self->die("the send window is full");
        }
        self->leave_if_over();
        auto keep = std::move(self->self_);
        op->ok();
    });
}

}  // namespace sigrun::http
