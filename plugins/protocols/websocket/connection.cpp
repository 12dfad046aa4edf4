#include "connection.hpp"

#include "wire/limit.hpp"
#include "wire/message.hpp"

#include <sigrun/cpp/utf8.hpp>

#include <boost/beast/http/read.hpp>
#include <boost/beast/websocket.hpp>

namespace sigrun::websocket {
namespace {
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr auto k_farewell = std::chrono::seconds(2);
constexpr std::size_t k_handshake_bytes = std::size_t{64} << 10;  // of a dialled peer's answer
constexpr std::size_t k_write_piece = std::size_t{16} << 10;
constexpr std::size_t k_worth_compressing = 1024;
constexpr std::size_t k_longest_reason = 123;
constexpr std::string_view k_agent = "Sigrun/0.1";

std::string header_name(std::string_view line) { return std::string(line.substr(0, line.find(':'))); }
std::string header_value(std::string_view line) {
    line.remove_prefix(std::min(line.size(), line.find(':') + 1));
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    return std::string(line);
}

}  // namespace

connection::connection(core_ptr shared, loop& on, byte_stream::socket_type socket, std::string early, origin from)
    : shared_(std::move(shared)),
      loop_(on),
      from_(std::move(from)),
      max_message_(shared_->options.now().max_message),
      ws_(std::in_place, std::move(socket), std::move(early)),
      retry_timer_(on.context()),
      inbox_(*shared_) {
    ++shared_->connections;
    prepare_stream(shared_->options.now().deflate == compression::offer);
}

connection::~connection() { --shared_->connections; }

void connection::prepare_stream(bool offer_deflate) {
    const bool accepted = from_.side == role::accepted;
    beast::websocket::permessage_deflate deflate;
    deflate.server_enable = accepted && shared_->options.now().deflate != compression::off;
    deflate.client_enable = !accepted && offer_deflate;
    deflate.server_max_window_bits = 13;  // a fourth of the memory, nearly the gain
    deflate.compLevel = 3;
    deflate.msg_size_threshold = k_worth_compressing;
    ws_->set_option(deflate);
    ws_->read_message_max(max_message_);
    ws_->write_buffer_bytes(k_write_piece);
    ws_->auto_fragment(true);  // pings and pongs pass between the pieces of a large message
    ws_->secure_prng(true);
    ws_->control_callback([this](beast::websocket::frame_type kind, beast::string_view payload) {
        on_control(kind, {payload.data(), payload.size()});
    });
    if (!accepted) ws_->next_layer().allow(k_handshake_bytes);
}

void connection::accept(const http_request& request, bool with_subprotocol) {
    loop_.add(shared_from_this());
    deadline_ = clock::now() + shared_->options.now().handshake_timeout;
    ws_->set_option(beast::websocket::stream_base::decorator([this, with_subprotocol](http_response& answer) {
        answer.set(http::field::server, k_agent);
        answer.set("Sigrun-Max-Message", sdk::concat(max_message_));
        if (with_subprotocol)
            answer.set(http::field::sec_websocket_protocol,
                       beast::string_view(k_subprotocol.data(), k_subprotocol.size()));
    }));
    ws_->async_accept(request, [self = shared_from_this()](const error_code& ec) {
        if (self->phase_ != phase::upgrading) return;
        if (!ec) return self->opened();
        self->end(SIGRUN_E_IO, close_code::none, sdk::concat("the upgrade failed: ", ec.message()));
    });
}

void connection::upgrade(const upgrade_request& request, time_point deadline, ready_fn ready) {
    ready_ = std::move(ready);
    deadline_ = deadline;
    loop_.add(shared_from_this());
    if (request.offer_deflate) prepare_stream(true);
    ws_->set_option(beast::websocket::stream_base::decorator([this, headers = request.headers](
                                                                 beast::websocket::request_type& asked) {
        asked.set(http::field::user_agent, k_agent);
        asked.set(http::field::sec_websocket_protocol, beast::string_view(k_subprotocol.data(), k_subprotocol.size()));
        asked.set("Sigrun-Max-Message", sdk::concat(max_message_));
        std::string_view rest = headers;
        for (auto end = rest.find("\r\n"); end != std::string_view::npos; end = rest.find("\r\n")) {
            asked.set(header_name(rest.substr(0, end)), header_value(rest.substr(0, end)));
            rest.remove_prefix(end + 2);
        }
    }));
    ws_->async_handshake(answer_, request.host, request.target, [self = shared_from_this()](const error_code& ec) {
        if (self->phase_ != phase::upgrading) return;
        if (ec) return self->end(SIGRUN_E_IO, close_code::none, self->why_refused(ec));
        self->ws_->next_layer().allow({});
        self->opened();
    });
}

std::string connection::why_refused(const error_code& ec) const {
    if (ec != beast::websocket::error::upgrade_declined) return sdk::concat("the upgrade failed: ", ec.message());
    const auto status = answer_.result_int();
    const auto version = answer_[http::field::sec_websocket_version];
    if (status == 426 && !version.empty())
        return sdk::concat("the peer speaks other versions of WebSocket: ",
                           sdk::shown({version.data(), version.size()}), " (HTTP status 426)");
    if (status == 404) return "the peer serves no WebSocket at this path (HTTP status 404)";
    return sdk::concat("the peer refused the upgrade with HTTP status ", status, answer_.body().empty() ? "" : ": ",
                       sdk::shown(answer_.body()));
}

void connection::opened() {
    phase_ = phase::open;
    if (const auto told = answer_.find("Sigrun-Max-Message"); told != answer_.end())
        from_.peer_message = message_limit({told->value().data(), told->value().size()});
    last_message_ = asked_ = clock::now();
    {
        std::lock_guard lock(mutex_);
        usable_ = true;
    }
    if (auto ready = std::exchange(ready_, nullptr)) ready(SIGRUN_OK, "");
    if (phase_ == phase::open && shared_->retiring) retire();
    read();
}

void connection::open_session(const sigrun_sink& sink) {
    if (!inbox_.open(sink)) refuse("a session frame's content is malformed");
}

void connection::refuse(const std::string& why) {
    shared_->numbers.add(shared_->numbers.protocol_errors);
    shared_->host.log(SIGRUN_LOG_WARNING, "websocket: connection ended: ", why);
    end(SIGRUN_E_IO, close_code::malformed, why);
}

void connection::close_session(const std::string& why) {
    inbox_.close(why, true);
    end(SIGRUN_E_CANCELLED, close_code::normal, why);
}

void connection::end(sigrun_result result, std::uint16_t code, const std::string& why) {
    if (phase_ == phase::closing || phase_ == phase::lingering || phase_ == phase::dead) return;
    const auto keep = shared_from_this();
    const bool say = code != close_code::none && phase_ == phase::open;
    phase_ = phase::closing;
    code_ = code;
    why_ = why;
    deadline_ = clock::now() + k_farewell;
    tear_down(result, why);
    if (!say) return release();
    flush();
}

/// After what was queued. The peer's Close, or its end, finishes the operation.
void connection::start_close() {
    if (std::exchange(closing_sent_, true)) return;
    auto text = why_.substr(0, k_longest_reason);
    if (text.size() < why_.size()) text.resize(text.size() - sdk::unfinished_tail(text));
    if (!sdk::is_utf8(text)) text.clear();
    ws_->async_close({static_cast<beast::websocket::close_code>(code_), beast::string_view(text.data(), text.size())},
                     [self = shared_from_this()](const error_code&) {
                         if (self->phase_ == phase::closing) self->linger();
                     });
}

/// Waits for the peer's end: closing with unread input would reset the connection and destroy the Close frame on its way.
void connection::linger() {
    phase_ = phase::lingering;
    error_code ec;
    auto& socket = ws_->next_layer().socket();
    socket.shutdown(asio::socket_base::shutdown_send, ec);
    in_.consume(in_.size());
    socket.async_read_some(in_.prepare(4096), [self = shared_from_this()](const error_code& end, std::size_t) {
        if (self->phase_ != phase::lingering) return;
        if (end) return self->release();
        self->linger();
    });
}

void connection::tear_down(sigrun_result result, const std::string& why) {
    std::vector<ping_wait> pings;
    std::unordered_map<std::uint64_t, inbound_call*> theirs;
    std::unordered_map<std::uint64_t, std::unique_ptr<outbound_call>> ours;
    {
        std::lock_guard lock(mutex_);
        usable_ = false;
        pings.swap(pings_);
        new_pings_.clear();
        theirs.swap(inbound_);
        ours.swap(outbound_);
        for (auto& [number, call] : theirs) call->ended = true;
        waiting_calls_ = 0;
    }
    retry_timer_.cancel();
    for (auto& [number, call] : theirs) end_for_host(*shared_, *call);
    for (auto& [number, call] : ours)
        if (call->op) call->op.fail(result == SIGRUN_OK ? SIGRUN_E_IO : result, why);
    for (auto& ping : pings) ping.done(result, 0);
    inbox_.close(why, false);
    if (auto ready = std::exchange(ready_, nullptr)) ready(result, why);
}

void connection::release() {
    if (phase_ == phase::dead) return;
    const auto keep = shared_from_this();
    phase_ = phase::dead;
    error_code ec;
    ws_->next_layer().socket().close(ec);
    from_.lifetime.ok();
    loop_.remove(this);
    forget_stream();
}

/// Beast parks an operation that must wait for another one inside the stream, and two that wait for each other (a Close that is
/// sent and one that is read) stay there for ever, with what their handlers own: this connection.
void connection::forget_stream() {
    loop_.post([self = shared_from_this()] {
        if (self->ws_->next_layer().is_busy()) return self->forget_stream();  // what was cut off is about to say so
        self->ws_.reset();
    });
}

void connection::shut() {
    end(SIGRUN_E_CANCELLED, close_code::going_away, "the plugin is going away");
    if (phase_ == phase::closing) deadline_ = std::min(deadline_, clock::now() + std::chrono::milliseconds(500));
}

}  // namespace sigrun::websocket
