#include "dial/client_connection.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>

#include <sys/socket.h>

namespace sigrun::http {
namespace {
namespace bhttp = boost::beast::http;
constexpr std::size_t k_answer_read_size = std::size_t{32} << 10;
constexpr std::uint32_t k_max_head = 64u << 10;
constexpr std::size_t k_max_answer_fields = 100;
}  // namespace

client_connection::client_connection(loop& where, std::shared_ptr<const client_settings> settings)
    : loop_(where), settings_(std::move(settings)), socket_(where.context()), timer_(where.context()) {}

bool client_connection::still_good() {
    char byte = 0;
    const auto n = recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void client_connection::run(request_ptr request, std::function<void()> free) {
    request_ = std::move(request);
    free_ = std::move(free);
    result_ = {};
    sent_at_ = {};
    ++turn_;
    if (open_) {
        arm_deadline();
        return send();
    }
    connecting_ = true;
    connect_until_ = clock::now() + settings_->connect_timeout;
    arm_deadline();
    connect();
}

void client_connection::connect() {
    sdk::net_target to;
    to.address = settings_->peer.address();
    to.tls = settings_->peer.tls;
    to.options = settings_->options;
    to.deadline_ns = static_cast<std::uint64_t>(std::min(connect_until_, request_->deadline).time_since_epoch() /
                                                std::chrono::nanoseconds(1));
    // The loops outlive the dials: see ~http_plugin.
    auto answered = [self = shared_from_this(), turn = turn_](sigrun_result result, sdk::net_connection got,
                                                              std::string why) {
        self->loop_.post([self, turn, result, fd = sdk::dialled_fd(got.fd), why = std::move(why)]() mutable {
            if (self->turn_ == turn && self->request_) self->connected(result, std::move(fd), why);
        });
    };
    try {
        dial_ = settings_->dials->dial(to, std::move(answered));
    } catch (const sdk::failure& f) {
        loop_.post([self = shared_from_this(), turn = turn_, why = std::string(f.what())] {
            if (self->turn_ == turn && self->request_) self->finish(fault::connect, why);
        });
    }
}

void client_connection::connected(sigrun_result result, sdk::dialled_fd fd, const std::string& why) {
    dial_ = 0;
    if (result != SIGRUN_OK) return finish(fault::connect, sdk::concat("cannot connect: ", why));
    boost::system::error_code ec;
    socket_.assign({AF_UNSPEC, 0}, fd.get(), ec);
    if (ec) return finish(fault::connect, sdk::concat("cannot use the connection: ", ec.message()));
    fd.release();
    open_ = true;
    connecting_ = false;
    arm_deadline();
    send();
}

void client_connection::arm_deadline() {
    const auto until = connecting_ ? std::min(connect_until_, request_->deadline) : request_->deadline;
    if (until == time_point::max()) {
        timer_.cancel();
        return;
    }
    timer_.expires_at(until);
    timer_.async_wait([self = shared_from_this(), turn = turn_](const boost::system::error_code& ec) {
        if (ec || self->turn_ != turn || !self->request_) return;
        self->finish(self->connecting_ ? fault::connect : fault::timeout,
                     self->connecting_ ? "no connection before the deadline" : "no answer before the deadline");
    });
}

void client_connection::send() {
    const auto& r = *request_;
    auto out = std::make_shared<std::string>(
        sdk::concat(r.verb, " ", r.target == "*" || r.without_base ? std::string() : settings_->peer.base, r.target,
                    " HTTP/1.1\r\nHost: ", settings_->peer.authority, "\r\nUser-Agent: ", settings_->user_agent, "\r\n",
                    r.headers));
    if (r.has_body) *out += sdk::concat("Content-Length: ", r.body.size(), "\r\n");
    *out += "\r\n";
    *out += r.body;
    head_size_ = 0;
    new_parser();
    result_.sent = true;
    paused_ = false;
    input_ended_ = false;
    sent_at_ = clock::now();
    writing_ = true;
    asio::async_write(socket_, asio::buffer(*out),
                      [self = shared_from_this(), turn = turn_, out](const boost::system::error_code& ec, std::size_t) {
                          if (self->turn_ == turn) self->writing_ = false;
                          // A peer may answer and close before it read everything: the answer decides then.
                          if (ec && self->turn_ == turn && self->request_ && !self->reading_)
                              self->finish(fault::broken, sdk::concat("sending failed: ", ec.message()));
                      });
    read();
}

void client_connection::new_parser() {
    parser_.emplace();
    parser_->header_limit(k_max_head);
    parser_->body_limit(request_->max_reply);
    if (request_->verb == "HEAD") parser_->skip(true);
}

void client_connection::read() {
    if (reading_ || paused_ || !request_) return;
    reading_ = true;
    socket_.async_read_some(in_.prepare(k_answer_read_size), [self = shared_from_this(), turn = turn_](
                                                                 const boost::system::error_code& ec, std::size_t n) {
        self->reading_ = false;
        if (self->turn_ != turn || !self->request_) return;
        if (ec == asio::error::eof) return self->on_end_of_input();
        if (ec) return self->finish(fault::broken, sdk::concat("the connection broke: ", ec.message()));
        self->in_.commit(n);
        self->parse();
    });
}

void client_connection::parse() {
    while (request_ && in_.size() > 0 && !parser_->is_done()) {
        boost::system::error_code ec;
        std::size_t used = 0;
        const bool in_head = !parser_->is_header_done();
        try {
            used = parser_->put(in_.data(), ec);
        } catch (const std::exception&) {  // a Content-Length beyond what memory can hold
            return finish(fault::too_large, "the answer announces more than can be kept");
        }
        in_.consume(used);
        if (in_head && is_head_too_large(used)) {
            parser_.reset();  // what it holds is no answer
            return finish(fault::malformed, sdk::concat("the head of the answer is larger than ", k_max_head,
                                                        " bytes, or has more than ", k_max_answer_fields, " fields"));
        }
        if (!in_head && ec == bhttp::error::need_more && in_.size() > k_max_head)
            return finish(fault::malformed, "the trailer or a chunk header of the answer is too large");
        if (in_head && parser_->is_header_done()) parser_->eager(true);
        if (ec == bhttp::error::body_limit)
            return finish(fault::too_large, sdk::concat("the answer is larger than ", request_->max_reply, " bytes"));
        if (ec && ec != bhttp::error::need_more)
            return finish(fault::malformed, sdk::concat("not a valid HTTP response: ", ec.message()));
        if (parser_->is_header_done() && parser_->get().result_int() < 200 && parser_->get().result_int() >= 100) {
            if (parser_->get().result_int() == 101)
                return finish(fault::malformed, "the peer switched protocols without being asked");
            new_parser();
            continue;
        }
        if (ec) break;
    }
    if (!request_) return;
    if (parser_->is_header_done() && !offer_data()) return;
    if (parser_->is_done()) return finish(fault::none, {});
    read();
}

bool client_connection::is_head_too_large(std::size_t used) {
    // The parser's own limit holds for what one put() sees. Interim answers (1xx) count as well.
    head_size_ += used;
    const auto& fields = parser_->get();
    return head_size_ + (parser_->is_header_done() ? 0 : in_.size()) > k_max_head ||
           static_cast<std::size_t>(std::distance(fields.begin(), fields.end())) > k_max_answer_fields;
}

bool client_connection::offer_data() {
    if (!request_->on_data) return true;
    auto& data = parser_->get().body();
    if (data.empty()) return true;
    const auto keep = request_;
    if (keep->on_data(parser_->get().result_int() ? static_cast<int>(parser_->get().result_int()) : 0,
                      parser_->get().base(), data)) {
        data.clear();
        return request_ == keep;
    }
    paused_ = request_ == keep;
    return false;
}

void client_connection::resume() {
    if (!paused_) return;
    paused_ = false;
    loop_.post([self = shared_from_this(), turn = turn_] {
        if (self->turn_ != turn || !self->request_) return;
        if (self->input_ended_) return self->on_end_of_input();
        self->parse();
    });
}

void client_connection::on_end_of_input() {
    input_ended_ = true;
    if (!parser_->got_some()) return finish(fault::broken, "the peer closed the connection without an answer");
    boost::system::error_code ec;
    if (!parser_->is_done()) parser_->put_eof(ec);
    if (ec) return finish(fault::broken, "the peer closed the connection in the middle of its answer");
    if (!offer_data()) return;
    finish(fault::none, {});
}

void client_connection::finish(fault what, std::string why) {
    const auto keep = shared_from_this();
    const auto request = std::move(request_);
    request_ = nullptr;
    ++turn_;
    timer_.cancel();
    result_.what = what;
    result_.why = std::move(why);
    if (parser_ && parser_->is_header_done()) {
        auto message = parser_->release();
        result_.status = static_cast<int>(message.result_int());
        result_.version = message.version();
        result_.keep_alive = message.keep_alive() && !input_ended_;
        result_.headers = std::move(message.base());
        result_.body = std::move(message.body());
    }
    if (sent_at_ != time_point()) result_.took = clock::now() - sent_at_;
    parser_.reset();
    connecting_ = false;
    if (dial_) settings_->dials->cancel(std::exchange(dial_, 0));
    if (what != fault::none || !result_.keep_alive || in_.size() > 0 || writing_) {
        writing_ = false;
        boost::system::error_code ec;
        socket_.close(ec);
        open_ = false;
        in_.consume(in_.size());
    }
    auto result = std::move(result_);
    const auto free = std::move(free_);
    free_ = nullptr;
    request->on_done(std::move(result));
    if (free) free();
}

void client_connection::cancel(std::string_view why) {
    if (request_) return finish(fault::cancelled, std::string(why));
    boost::system::error_code ec;
    socket_.close(ec);
    open_ = false;
}

}  // namespace sigrun::http
