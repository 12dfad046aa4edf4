#include "dial/native_link.hpp"

#include "dial/native_call.hpp"
#include "dial/native_peer.hpp"
#include "wire/target.hpp"

#include <boost/json.hpp>

namespace sigrun::http {
namespace {

constexpr std::size_t k_max_calls = 1024;
constexpr std::size_t k_connections = k_max_calls + 3;  // a poll, a post and a ping never wait for calls
constexpr std::size_t k_post_size = std::size_t{1} << 20;
constexpr std::size_t k_carried_size = std::size_t{64} << 10;  // frames of a poll are acknowledged late: few, then
constexpr auto k_poll_wait = std::chrono::milliseconds(20'000);
constexpr auto k_shortest_wait = std::chrono::milliseconds(500);
constexpr auto k_slack = std::chrono::seconds(10);
constexpr auto k_delete_limit = std::chrono::seconds(2);
constexpr auto k_refused = std::chrono::seconds(1);  // then nobody is there, or nobody lets this protocol through
constexpr auto k_busy_retry = std::chrono::milliseconds(10);
constexpr auto k_first_pause = std::chrono::milliseconds(100);
constexpr auto k_longest_pause = std::chrono::milliseconds(2000);

}  // namespace

native_link::native_link(const sdk::host& host, loop& where, client_settings settings, std::string credentials,
                         std::chrono::nanoseconds session_timeout, const sigrun_sink& frames)
    : host_(host),
      loop_(where),
      client_(std::make_shared<client>(where, std::move(settings), k_connections)),
      credentials_(std::move(credentials)),
      session_timeout_(session_timeout),
      frames_(frames),
      poll_wait_(k_poll_wait),
      poll_timer_(where.context()),
      post_timer_(where.context()),
      deliver_timer_(where.context()) {}

request_ptr native_link::request(std::string_view verb, std::string target, std::chrono::nanoseconds limit,
                                 std::function<void(const client_result&)> then) {
    auto r = std::make_shared<client_request>();
    r->verb = verb;
    r->target = std::move(target);
    r->headers = credentials_;
    r->deadline = clock::now() + limit;
    r->max_reply = std::size_t{64} << 20;
    r->on_done = [self = shared_from_this(), then = std::move(then)](const client_result& result) { then(result); };
    return r;
}

void native_link::open(sigrun_op token) {
    self_ = shared_from_this();
    auto op = std::make_shared<sdk::op>(host_, token);
    loop_.post([self = self_, op] {
        self->loop_.add(self);
        self->client_->send(self->request("GET", "/v1/version", k_slack,
                                          [raw = self.get(), op](const auto& r) { raw->on_version(r, *op); }));
    });
}

void native_link::on_version(const client_result& r, sdk::op& op) {
    if (r.what == fault::none && is_native(r)) {
        opened_ = true;
        return op.ok();
    }
    silent_ = true;
    const auto keep = std::move(self_);
    leave();
    if (r.what == fault::none) {
        op.fail(
            SIGRUN_E_UNSUPPORTED,
            sdk::concat("the peer speaks HTTP but is no Sigrun daemon (GET /v1/version gave status ", r.status, ")"));
    } else {
        op.fail(r.what == fault::timeout ? SIGRUN_E_TIMEOUT : SIGRUN_E_IO, r.why);
    }
}

// ---- Calls

sigrun_result native_link::call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op token) {
    auto what = std::make_shared<outgoing_call>();
    what->method = sdk::view(call.method);
    what->params = sdk::view(call.params);
    what->document = sdk::view(call.json);
    what->payload = host_.content(call.payload);
    what->has_payload = call.payload != nullptr;
    what->headers = credentials_;
    const auto auth = sdk::view(call.auth);
    if (auth.substr(0, 7) == "bearer " || auth.substr(0, 6) == "basic ")
        what->headers = sdk::concat("Authorization: ", auth, "\r\n");
    if (auth.find_first_of("\r\n") != std::string_view::npos || what->method.empty()) return SIGRUN_E_INVALID;
    if (call.deadline_ns) what->deadline = time_point(std::chrono::nanoseconds(call.deadline_ns));
    auto op = std::make_shared<sdk::op>(host_, token);
    loop_.post([self = shared_from_this(), what, op, replies] {
        if (self->closing_) return op->fail(SIGRUN_E_CANCELLED, "the link is closed");
        if (self->calls_ >= k_max_calls)
            return op->fail(SIGRUN_E_BUSY, sdk::concat("at most ", k_max_calls, " calls at once on one link"));
        ++self->calls_;
        auto made =
            std::make_shared<native_call>(self->host_, self->loop_, self->client_, replies, std::move(*op),
                                          [raw = self.get()](std::string t) { raw->session_opened(std::move(t)); });
        made->start(*what, [self] { --self->calls_; });
    });
    return SIGRUN_PENDING;
}

sigrun_result native_link::ping(sigrun_op token) {
    auto op = std::make_shared<sdk::op>(host_, token);
    loop_.post([self = shared_from_this(), op] {
        self->client_->send(self->request("HEAD", "/healthz", k_slack, [op](const client_result& r) {
            if (r.what != fault::none)
                return op->fail(r.what == fault::timeout ? SIGRUN_E_TIMEOUT : SIGRUN_E_IO, r.why);
            op->ok(sdk::concat("{\"rtt_ns\":", r.took.count(), "}"));
        }));
    });
    return SIGRUN_PENDING;
}

// ---- The session

void native_link::session_opened(std::string token) {
    if (!token_.empty() || silent_) return;
    token_ = std::move(token);
    has_session_.store(true);
    last_contact_ = clock::now();
    // After the reply that opened it was read to its end: its connection is free then, and the session can go on over it.
    loop_.post([self = shared_from_this()] {
        self->poll();
        self->post();
    });
}

/// What is to be sent goes along if it is little and no post is on its way: the answer to a job and the next offer are one
/// round trip then.
void native_link::poll() {
    if (polling_ || silent_ || !in_.empty()) return;
    polling_ = true;
    const auto bytes = out_.bytes();
    const bool carries = exchanges_ && has_posted_ && !posting_ && bytes > 0 && bytes <= k_carried_size;
    auto r = request(
        carries ? "POST" : "GET",
        sdk::concat("/v1/sessions/", percent_encode(token_), "/frames?wait=", poll_wait_.count(), "ms&ack=", in_seq_),
        k_poll_wait + k_slack, [this](const client_result& result) {
            polling_ = false;
            on_poll(result);
        });
    r->over = lane::polls;
    if (carries) {
        carried_ = out_.last();
        r->body = out_.array_after(0, k_post_size);
        r->has_body = true;
        r->headers += "Content-Type: application/json\r\n";
    }
    client_->send(std::move(r));
}

bool native_link::contact_failed(const client_result& r, asio::steady_timer& timer, std::chrono::milliseconds& pause,
                                 void (native_link::*again)()) {
    if (r.what == fault::none && r.status == 200) {
        last_contact_ = clock::now();
        refused_since_ = {};
        pause = std::chrono::milliseconds(0);
        return false;
    }
    if (silent_) return true;
    if (r.what == fault::none && (r.status == 404 || r.status == 410)) {
        lost("the peer no longer knows the session");
        return true;
    }
    const auto reason = r.what == fault::none ? sdk::concat("the peer answered with HTTP status ", r.status) : r.why;
    const auto now = clock::now();
    // Silence may be a moment's; connections that are refused or broken one after another are an answer.
    if (r.what != fault::connect && r.what != fault::broken)
        refused_since_ = {};
    else if (refused_since_ == time_point{})
        refused_since_ = now;
    const bool refused = refused_since_ != time_point{} && now - refused_since_ >= k_refused;
    if (refused || now - last_contact_ > session_timeout_) {
        lost(reason);
        return true;
    }
    pause = std::clamp(pause * 2, std::chrono::milliseconds(k_first_pause), std::chrono::milliseconds(k_longest_pause));
    timer.expires_after(pause);
    timer.async_wait([self = shared_from_this(), again](const boost::system::error_code& ec) {
        if (!ec) ((*self).*again)();
    });
    return true;
}

/// Whether something in between does not let a poll hang so long: the next ones wait less, and at once.
bool native_link::was_cut_short(const client_result& r) {
    const bool cut = r.what == fault::broken || (r.what == fault::none && (r.status == 408 || r.status == 504));
    if (!cut || silent_ || r.took < k_shortest_wait || r.took >= poll_wait_) return false;
    poll_wait_ = std::max(k_shortest_wait, std::chrono::duration_cast<std::chrono::milliseconds>(r.took * 3 / 4));
    return true;
}

void native_link::on_poll(const client_result& r) {
    const bool carried = std::exchange(carried_, 0) != 0;
    if (was_cut_short(r)) return poll();
    if (carried && r.what == fault::none && r.status == 400) {  // an older peer knows polls and posts, each for itself
        exchanges_ = false;
        post();
        return poll();
    }
    if (contact_failed(r, poll_timer_, poll_pause_, &native_link::poll)) return;
    mismatch why;
    std::vector<wire_frame> frames;
    if (carried) {
        if (!read_answer(r.body, frames, why)) return lost(sdk::concat("the peer sent malformed frames: ", why.text()));
    } else {
        auto read = decode_frames(r.body, why);
        if (!read) return lost(sdk::concat("the peer sent malformed frames: ", why.text()));
        frames = std::move(*read);
    }
    std::uint64_t expected = in_seq_ + 1;
    for (auto& f : frames) {
        if (f.seq < expected) continue;
        if (f.seq > expected) return lost("the peer left out frames");
        ++expected;
        in_.push_back(std::move(f));
    }
    deliver();
}

/// The answer to a poll that took frames along: what was taken of them, and the frames for this side.
bool native_link::read_answer(std::string_view body, std::vector<wire_frame>& frames, mismatch& why) {
    const auto value = sdk::parse_json(body, why);
    const auto* object = value ? value->if_object() : nullptr;
    if (!object) return false;
    sdk::json_reader read(*object, "", why);
    std::uint64_t ack = 0;
    read.number("ack", ack);
    const auto* busy = object->if_contains("busy");
    const auto* items = object->if_contains("frames");
    const auto* array = items ? items->if_array() : nullptr;
    if (!array) read.fail("frames", "an array of frames");
    if (!read.ok()) return false;
    for (const auto& item : *array) {
        auto frame = sdk::read_frame(item, why);
        if (!frame) return false;
        frames.push_back(std::move(*frame));
    }
    out_.acknowledge(ack);
    if (busy && busy->is_bool() && busy->get_bool()) {
        post_timer_.expires_after(k_busy_retry);
        post_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
            if (!error) self->post();
        });
    }
    return true;
}

void native_link::deliver() {
    if (delivering_) return;
    delivering_ = true;
    while (!in_.empty() && !silent_) {
        const auto& f = in_.front();
        if (f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST)) {
            lost(f.json.empty() ? std::string_view("the peer closed the session") : std::string_view(f.json));
            break;
        }
        if (f.kind != k_kind_ping && deliver_frame(host_, frames_, f) == SIGRUN_E_BUSY) {
            deliver_timer_.expires_after(k_busy_retry);
            deliver_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
                if (!ec) self->deliver();
            });
            break;
        }
        // Without LAST: the server is being replaced. Whoever still calls over this link gets the newer one.
        if (f.kind == SIGRUN_BYE) client_->drop_idle();
        in_seq_ = f.seq;
        in_.pop_front();
    }
    delivering_ = false;
    poll();
}

void native_link::post() {
    if (posting_ || token_.empty() || (silent_ && !closing_) || left_) return;
    if (out_.empty() && closing_) return end_session();
    // At the end everything is sent again: the answer to a poll may take longer than there is time.
    if (!out_.has_after(closing_ ? 0 : carried_) && has_posted_) return;
    has_posted_ = true;  // the first one may carry nothing: it takes the connection while the peer knows the session
    posting_ = true;
    auto r = request("POST", sdk::concat("/v1/sessions/", percent_encode(token_), "/frames"), k_slack,
                     [this](const client_result& result) {
                         posting_ = false;
                         on_post(result);
                     });
    r->body = out_.array_after(0, k_post_size);
    r->has_body = true;
    r->over = lane::posts;
    r->headers += "Content-Type: application/json\r\n";
    client_->send(std::move(r));
}

void native_link::on_post(const client_result& r) {
    if (contact_failed(r, post_timer_, post_pause_, &native_link::post)) {
        if (closing_ && !left_) end_session();
        return;
    }
    boost::system::error_code ec;
    const auto value = boost::json::parse(r.body, ec);
    const auto* object = ec ? nullptr : value.if_object();
    const auto* ack = object ? object->if_contains("ack") : nullptr;
    const auto* busy = object ? object->if_contains("busy") : nullptr;
    const auto seq = ack && ack->is_number() ? ack->to_number<std::uint64_t>(ec) : 0;
    if (!ack || ec) return lost("the peer acknowledged no frames");
    out_.acknowledge(seq);
    if (!busy || !busy->is_bool() || !busy->get_bool()) return post();
    post_timer_.expires_after(k_busy_retry);
    post_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) self->post();
    });
}

sigrun_result native_link::queue(wire_frame frame) {
    if (!has_session_.load()) return SIGRUN_E_IO;
    const auto result = out_.push(std::move(frame));
    if (result == SIGRUN_OK && !woken_.exchange(true))
        loop_.post([self = shared_from_this()] {
            self->woken_.store(false);
            self->post();
            self->deliver();  // an ACK tells that there is room again
        });
    return result;
}

sigrun_result native_link::execute(const sigrun_frame& offer) {
    auto f = copy_frame(offer, host_.content(offer.payload));
    f.kind = SIGRUN_OFFER;
    return queue(std::move(f));
}

sigrun_result native_link::cancel(const sigrun_attempt& attempt, std::uint64_t grace_ns) {
    wire_frame f;
    f.kind = SIGRUN_CANCEL;
    f.attempt = attempt.number;
    f.job = sdk::view(attempt.job);
    f.token = sdk::view(attempt.token);
    f.time_ns = grace_ns;
    return queue(std::move(f));
}

sigrun_result native_link::send(const sigrun_frame& frame) {
    return queue(copy_frame(frame, host_.content(frame.payload)));
}

// ---- The end

void native_link::lost(std::string_view reason) {
    if (silent_) return;
    silent_ = true;
    has_session_.store(false);
    const auto keep = shared_from_this();
    const std::string text(reason);
    deliver_bye(frames_, text);
    client_->close();
}

void native_link::close(sigrun_result, sigrun_op token) {
    auto op = std::make_shared<sdk::op>(host_, token);
    loop_.post([self = shared_from_this(), op] {
        self->close_op_ = std::move(*op);
        self->closing_ = true;
        const bool alive = !self->silent_ && !self->token_.empty();
        self->silent_ = true;
        self->has_session_.store(false);
        self->close_until_ = clock::now() + k_delete_limit;
        if (!alive) return self->leave();
        self->post();  // what is queued, then the end of the session
    });
}

void native_link::end_session() {
    if (posting_) return;
    posting_ = true;
    auto r = request("DELETE", sdk::concat("/v1/sessions/", percent_encode(token_)), k_delete_limit,
                     [this](const client_result&) { leave(); });
    r->over = lane::posts;
    client_->send(std::move(r));
}

void native_link::leave() {
    if (left_) return;
    left_ = true;
    const auto keep = shared_from_this();
    client_->close();
    poll_timer_.cancel();
    post_timer_.cancel();
    deliver_timer_.cancel();
    loop_.remove(this);
    self_.reset();
    close_op_.ok();
}

void native_link::tick(time_point now) {
    client_->tick(now);
    if (closing_ && now > close_until_) leave();
}

void native_link::shut() {
    if (opened_) lost("the plugin is going away");
    client_->close();
}

}  // namespace sigrun::http
