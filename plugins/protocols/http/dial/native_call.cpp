#include "dial/native_call.hpp"

#include "link.hpp"
#include "serve/problem.hpp"
#include "wire/target.hpp"

namespace sigrun::http {
namespace {
constexpr std::size_t k_max_line = std::size_t{32} << 20;
constexpr std::size_t k_max_error = std::size_t{64} << 10;
constexpr auto k_retry = std::chrono::milliseconds(5);

/// Somebody in between that cannot reach the peer, or waits no longer. A peer of ours brings a problem document.
bool is_of_proxy(const client_result& r) {
    if (r.status != 408 && r.status != 502 && r.status != 503 && r.status != 504) return false;
    const auto type = r.headers.find("Content-Type");
    return type == r.headers.end() || type->value().substr(0, 24) != "application/problem+json";
}

}  // namespace

native_call::native_call(const sdk::host& host, loop& where, std::shared_ptr<client> through,
                         const sigrun_sink& replies, sdk::op done, std::function<void(std::string token)> opened)
    : host_(host),
      through_(std::move(through)),
      replies_(replies),
      done_(std::move(done)),
      opened_(std::move(opened)),
      retry_(where.context()) {}

void native_call::start(const outgoing_call& what, std::function<void()> over) {
    over_ = std::move(over);
    request_ = std::make_shared<client_request>();
    auto& r = *request_;
    r.verb = "POST";
    r.target = sdk::concat("/v1/call/", percent_encode(what.method));
    if (!what.params.empty()) r.target += sdk::concat("?params=", percent_encode(what.params));
    r.headers = what.headers;
    r.has_body = true;
    if (what.has_payload) {
        wire_frame both;
        both.kind = SIGRUN_REPLY;
        both.json = what.document;
        both.payload = what.payload;
        both.has_payload = true;
        r.body = encode_frame(both);
        r.headers += sdk::concat("Content-Type: ", k_frame_type, "\r\n");
    } else {
        r.body = what.document;
        r.headers += "Content-Type: application/json\r\n";
    }
    r.deadline = what.deadline;
    r.max_reply = static_cast<std::size_t>(-1) / 2;  // a stream may go on for ever; lines are bounded
    r.on_data = [self = shared_from_this()](int status, const auto&, std::string& data) {
        return self->on_data(status, data);
    };
    r.on_done = [self = shared_from_this()](client_result result) {
        const auto request = std::move(self->request_);  // its functions hold this object
        request->on_data = nullptr;
        self->on_done(result);
        const auto last = std::move(self->over_);
        last();
    };
    through_->send(request_);
}

bool native_call::on_data(int status, std::string& data) {
    if (status != 200) {
        error_body_.append(data, 0, k_max_error - std::min(k_max_error, error_body_.size()));
        return true;
    }
    buffer_ += data;
    data.clear();
    pump();
    return !blocked_;
}

void native_call::pump() {
    const bool was_blocked = blocked_;
    blocked_ = false;
    std::size_t begin = 0;
    while (broken_.empty() && !last_given_) {
        const auto end = buffer_.find('\n', begin);
        if (end == std::string::npos) break;
        const auto line = std::string_view(buffer_).substr(begin, end - begin);
        mismatch why;
        const auto frame = line.empty() ? std::nullopt : decode_frame(line, why);
        if (!line.empty() && (!frame || frame->kind != SIGRUN_REPLY)) {
            broken_ = frame ? std::string("a line is no reply") : why.text();
            break;
        }
        if (frame) {
            const auto taken = give(*frame);
            if (taken == SIGRUN_E_BUSY) {
                blocked_ = true;
                break;
            }
            last_given_ = frame->flags & SIGRUN_FRAME_LAST;
            if ((frame->flags & SIGRUN_FRAME_LINK) && !frame->session.empty()) opened_(frame->session);
        }
        begin = end + 1;
    }
    buffer_.erase(0, begin);
    if (!blocked_ && (last_given_ || !broken_.empty())) buffer_.clear();
    if (!blocked_ && buffer_.size() > k_max_line) broken_ = "a line is longer than 32 MiB";
    if (blocked_) {
        retry_.expires_after(k_retry);
        retry_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
            if (!ec && self->request_) self->pump();
        });
    } else if (!broken_.empty() && request_) {
        // Not from inside the connection's own parsing.
        asio::post(retry_.get_executor(), [self = shared_from_this()] {
            if (self->request_) self->through_->cancel(self->request_, self->broken_);
        });
    } else if (was_blocked) {
        through_->resume(request_);
    }
}

sigrun_result native_call::give(const wire_frame& f) { return deliver_frame(host_, replies_, f); }

void native_call::give_problem(std::string_view body, int status) {
    wire_frame f;
    f.kind = SIGRUN_REPLY;
    f.flags = SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR;
    f.json = read_problem(body.empty() ? sdk::concat("the peer answered with HTTP status ", status) : std::string(body),
                          status == 404 ? SIGRUN_E_NOT_FOUND : SIGRUN_E_IO)
                 .body;
    give(f);
}

void native_call::on_done(const client_result& r) {
    retry_.cancel();
    if (r.what == fault::none && is_of_proxy(r))
        return done_.fail(SIGRUN_E_IO, sdk::concat("the peer was not reached: HTTP status ", r.status));
    if (r.what == fault::none && r.status != 200) {
        give_problem(error_body_, r.status);
        return done_.ok();
    }
    if (r.what == fault::none && last_given_) return done_.ok();
    if (!broken_.empty()) return done_.fail(SIGRUN_E_IO, broken_);
    switch (r.what) {
        case fault::none: return done_.fail(SIGRUN_E_IO, "the peer ended its answer before the last reply");
        case fault::timeout: return done_.fail(SIGRUN_E_TIMEOUT, r.why);
        case fault::cancelled: return done_.fail(SIGRUN_E_CANCELLED, r.why);
        default: return done_.fail(SIGRUN_E_IO, r.why);
    }
}

}  // namespace sigrun::http
