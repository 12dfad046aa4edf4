// Bytes and messages, pings and pongs.
#include "connection.hpp"

#include <boost/beast/websocket.hpp>

#include <sys/socket.h>

namespace sigrun::websocket {
namespace {
namespace beast = boost::beast;

constexpr std::size_t k_read_piece = std::size_t{64} << 10;  // a header alone makes nobody allocate what it announces
constexpr std::size_t k_kept_buffer = std::size_t{256} << 10;
constexpr std::string_view k_keepalive = "k";

}  // namespace

/// A busy sink, or a peer that sends but does not take what it asked for, has to wait.
/// Once a Close is sent the closing operation reads; a read beside it that finds the peer's Close would block both.
bool connection::reads() const {
    return (phase_ == phase::open || (phase_ == phase::closing && !closing_sent_)) && !kept_many_;
}

void connection::read() {
    if (reading_ || !reads()) return;
    if (phase_ == phase::open) {
        std::lock_guard lock(mutex_);
        if (outbox_.bytes() > shared_->options.now().max_output) return;  // flush() comes here again
    }
    reading_ = true;
    ws_->async_read_some(in_, k_read_piece,
                         [self = shared_from_this()](const error_code& ec, std::size_t n) { self->on_read(ec, n); });
}

void connection::on_read(const error_code& ec, std::size_t n) {
    if (ec || phase_ == phase::lingering || phase_ == phase::dead) reading_ = false;
    if (phase_ == phase::lingering || phase_ == phase::dead) return;
    if (ec) return on_read_failed(ec);
    if (n && !message_since_) message_since_ = clock::now();
    if (ws_->is_message_done()) {
        message_since_.reset();
        last_message_ = clock::now();
        const auto data = in_.data();
        const auto guarded = sdk::guarded(nullptr, [&] {
            if (phase_ == phase::open)
                on_message({static_cast<const char*>(data.data()), data.size()}, ws_->got_binary());
        });
        if (guarded == SIGRUN_E_NOMEM) end(SIGRUN_E_NOMEM, close_code::internal, "out of memory");
        if (guarded < 0) end(SIGRUN_E_INTERNAL, close_code::internal, "internal error");
        in_.consume(in_.size());
        if (in_.capacity() > k_kept_buffer) in_.shrink_to_fit();
    }
    reading_ = false;  // not earlier: what the message leads to must not read into the buffer it lies in
    read();
}

void connection::on_read_failed(const error_code& ec) {
    if (phase_ == phase::closing) {
        if (!closing_sent_) release();  // else the closing operation is the one that ends
        return;
    }
    const auto keep = shared_from_this();
    if (ec == beast::websocket::error::closed) {
        const auto& reason = ws_->reason();
        phase_ = phase::closing;
        deadline_ = clock::now() + std::chrono::seconds(2);
        tear_down(SIGRUN_E_IO, sdk::concat("the peer closed the connection: ",
                                           std::string_view(reason.reason.data(), reason.reason.size()), " (code ",
                                           reason.code, ")"));
        return linger();
    }
    const bool broke_deflate = ec.category() == make_error_code(beast::zlib::error::need_buffers).category();
    const bool broke_rules = ec == beast::websocket::condition::protocol_violation ||
                             ec == beast::websocket::error::message_too_big ||
                             ec == beast::websocket::error::bad_frame_payload || broke_deflate;
    const auto why =
        sdk::concat(broke_rules ? "the peer broke the protocol: " : "the connection broke: ", ec.message());
    if (!broke_rules) return end(SIGRUN_E_IO, close_code::none, why);
    // The stream has sent its Close frame already, with the code of RFC 6455, but for data that cannot be inflated.
    if (broke_deflate && from_.side == role::accepted && !writing_ && !pinging_) {
        constexpr unsigned char k_close_1007[] = {0x88, 2, 1007 >> 8, 1007 & 0xff};
        ::send(ws_->next_layer().socket().native_handle(), k_close_1007, sizeof k_close_1007,
               MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    shared_->numbers.add(shared_->numbers.protocol_errors);
    shared_->host.log(SIGRUN_LOG_WARNING, "websocket: connection ended: ", why);
    phase_ = phase::closing;
    deadline_ = clock::now() + std::chrono::seconds(2);
    tear_down(SIGRUN_E_IO, why);
    linger();
}

void connection::wake() {
    if (woken_.exchange(true)) return;
    loop_.post([self = shared_from_this()] {
        self->woken_.store(false);
        if (self->retry_wanted_.exchange(false)) self->retry_sinks();
        self->send_pings();
        self->flush();
    });
}

/// Writes what waits, one message after the other.
void connection::flush() {
    if (writing_ || (phase_ != phase::open && phase_ != phase::closing)) return;
    bool resume = false;
    bool more = false;
    {
        std::lock_guard lock(mutex_);
        more = !outbox_.empty();
        if (more) out_ = outbox_.take();
        resume = waiting_calls_ && is_roomy();
    }
    if (more) {
        writing_ = true;
        ws_->binary(out_.binary);
        ws_->async_write(asio::buffer(out_.bytes), [self = shared_from_this()](const error_code& ec, std::size_t) {
            self->writing_ = false;
            {
                std::lock_guard lock(self->mutex_);
                self->outbox_.written();
            }
            if (ec && self->phase_ == phase::open && !self->reading_)
                return self->end(SIGRUN_E_IO, close_code::none, sdk::concat("the connection broke: ", ec.message()));
            if (ec && self->phase_ == phase::closing && !self->closing_sent_) return self->release();
            if (!ec) self->flush();  // a failure is the reading operation's to tell, with its reason
        });
    } else if (phase_ == phase::closing) {
        return start_close();
    }
    if (resume) resume_calls();
    read();
}

void connection::send_pings() {
    if (phase_ != phase::open) return;
    {
        std::lock_guard lock(mutex_);
        for (auto number : new_pings_) due_pings_.push_back(sdk::concat(number));
        new_pings_.clear();
    }
    if (pinging_ || due_pings_.empty()) return;
    pinging_ = true;
    const auto payload = std::move(due_pings_.front());
    due_pings_.erase(due_pings_.begin());
    if (payload != k_keepalive) {
        std::lock_guard lock(mutex_);
        for (auto& wait : pings_)
            if (sdk::concat(wait.number) == payload) wait.sent_ns = now_ns();
    }
    ws_->async_ping(beast::websocket::ping_data(beast::string_view(payload.data(), payload.size())),
                    [self = shared_from_this()](const error_code& ec) {
                        self->pinging_ = false;
                        if (!ec) self->send_pings();
                    });
}

void connection::on_control(beast::websocket::frame_type kind, std::string_view payload) {
    if (kind != beast::websocket::frame_type::pong || phase_ != phase::open) return;
    if (payload == k_keepalive) {
        keepalive_ = 0;
        return;
    }
    ping_wait found{};
    {
        std::lock_guard lock(mutex_);
        for (auto& wait : pings_) {
            if (sdk::concat(wait.number) != payload) continue;
            found = std::move(wait);
            wait = std::move(pings_.back());
            pings_.pop_back();
            break;
        }
    }
    // Whoever waits may end the connection; not on this stack, which is the stream's own.
    if (!found.done) return;
    const auto rtt = std::max<std::uint64_t>(now_ns() - found.sent_ns, 1);
    loop_.post([done = std::move(found.done), rtt] { done(SIGRUN_OK, rtt); });
}

}  // namespace sigrun::websocket
