#include "connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun::valkyrie {

namespace {
constexpr std::uint64_t k_linger_ns = 1'000'000'000;
constexpr std::string_view k_agent = "sigrun/0.1";

hello offer_of(const settings& options) {
    hello h;
    h.max_frame = options.max_frame;
    h.max_message = options.max_message;
    h.max_streams = options.max_streams;
    h.features = options.crc ? std::uint64_t{feature::crc32c} : 0;
    h.agent = k_agent;
    if (getrandom(h.mine.data(), h.mine.size(), GRND_NONBLOCK) != static_cast<ssize_t>(h.mine.size())) {
        auto now = now_ns();  // the nonce tells answers apart; it is no secret
        std::memcpy(h.mine.data(), &now, sizeof now);
    }
    return h;
}
}  // namespace

connection::connection(core_ptr shared, loop& on, int fd, origin from)
    : shared_(std::move(shared)),
      loop_(on),
      from_(std::move(from)),
      fd_(fd),
      ours_(offer_of(shared_->options)),
      inbox_(*shared_, ours_.log_window),
      output_(shared_->options.max_output, 4 * shared_->options.max_output) {
    ++shared_->connections;
}

connection::~connection() {
    if (fd_ >= 0) close(fd_);
    --shared_->connections;
}

void connection::start(std::uint64_t deadline, ready_fn ready) {
    ready_ = std::move(ready);
    handshake_deadline_ = deadline;
    heard_ = last_activity_ = loop_.now();
    int on = 1;
    int unsent = 128 * 1024;  // what lies in the kernel's buffer cannot be overtaken any more
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on UNIX sockets, which do not delay
    setsockopt(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    interest_ = EPOLLIN | EPOLLRDHUP;
    if (!loop_.watch(shared_from_this(), fd_, interest_))
        return end(SIGRUN_E_IO, code::none, "the system cannot watch the descriptor");
    if (from_.side == role::dialled) {
        encode_preface(wire_);
        encode_hello(wire_, ours_);
        loop_.flush_soon(*this);
    }
    arm_deadlines();
}

void connection::on_events(std::uint32_t events) {
    if (phase_ == phase::dead) return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) read();
    if (phase_ != phase::dead && (events & EPOLLOUT)) loop_.flush_soon(*this);
}

/// One read per readiness: what is left makes the descriptor ready again, after answers and other connections
/// had their turn.
void connection::read() {
    auto room = loop_.scratch();
    ssize_t n;
    do {
        n = recv(fd_, room.data, room.size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno == EAGAIN) return;
        return end(SIGRUN_E_IO, code::none, sdk::concat("the connection failed: ", std::strerror(errno)));
    }
    if (n == 0) {
        if (!goodbye_.empty()) return end(SIGRUN_E_IO, code::none, goodbye_);
        bool mute = phase_ == phase::preface && first_bytes_.empty();
        return end(SIGRUN_E_IO, code::none,
                   mute ? "the peer closed the connection without a word" : "the peer closed the connection");
    }
    heard_ = last_activity_ = loop_.now();
    unanswered_ = 0;
    if (phase_ != phase::lingering) take({room.data, static_cast<std::size_t>(n)});
}

void connection::take(std::string_view bytes) {
    auto guarded = sdk::guarded(nullptr, [&] {
        if (phase_ == phase::preface) take_preface(bytes);
        if (phase_ == phase::preface || phase_ == phase::lingering || phase_ == phase::dead) return;
        auto bad = reader_.feed(bytes, *this);
        if (!bad) bad = bad_;
        if (bad) return refuse(bad);
        if (peer_done_) return end(SIGRUN_E_IO, code::none, goodbye_);
        if (auto credit = inbox_.credit_due()) grant(k_stream_session_bulk, credit);
        if (inbox_.holds() || retry_at_ || reader_.unfinished()) arm_deadlines();
        update_interest();
    });
    if (guarded == SIGRUN_E_NOMEM) end(SIGRUN_E_NOMEM, code::system, "out of memory");
    if (guarded == SIGRUN_E_INTERNAL) end(SIGRUN_E_INTERNAL, code::system, "internal error");
}

void connection::take_preface(std::string_view& bytes) {
    auto n = std::min(k_preface_size - first_bytes_.size(), bytes.size());
    first_bytes_.append(bytes.substr(0, n));
    if (auto bad = check_preface(first_bytes_)) {
        if (from_.side == role::dialled && bad.code == code::protocol) {
            first_bytes_.append(bytes.substr(n, 48));
            return end(SIGRUN_E_IO, code::none, foreign_text());
        }
        if (from_.side == role::accepted && bad.code != code::protocol) encode_preface(wire_);
        return refuse(bad);
    }
    bytes.remove_prefix(n);
    if (first_bytes_.size() == k_preface_size) phase_ = phase::hello;
}

std::string connection::foreign_text() const {
    std::string shown;
    for (char c : first_bytes_) {
        if (c == '\r' || c == '\n') break;
        shown += c >= ' ' && c <= '~' ? c : '.';
        if (shown.size() == 40) break;
    }
    return sdk::concat("the peer speaks another protocol: it answered '", shown, "'");
}

void connection::open_session(const sigrun_sink& sink) {
    if (auto bad = inbox_.open(sink)) refuse(bad);
}

void connection::retry_inbox() {
    if (auto bad = inbox_.retry()) refuse(bad);
}

void connection::refuse(const refusal& bad) {
    shared_->host.log(SIGRUN_LOG_WARNING, "valkyrie: connection refused: ", bad.text);
    end(SIGRUN_E_IO, bad.code, bad.text);
}

void connection::flush() {
    if (phase_ == phase::dead) return;
    if (retry_wanted_.exchange(false)) {
        sdk::guarded(nullptr, [&] { retry_inbox(); });
        if (auto credit = inbox_.credit_due()) grant(k_stream_session_bulk, credit);
    }
    if (phase_ == phase::dead) return;
    write_out();
    if (phase_ != phase::dead) update_interest();
}

void connection::write_out() {
    constexpr int k_rounds = 4;  // about 256 KiB of bulk; then reading and other connections have their turn
    want_write_ = false;
    for (int rounds = 0;; ++rounds) {
        if (wire_.empty()) {
            std::lock_guard lock(mutex_);
            wire_.clear();
            if (!output_.fill(wire_)) break;
        }
        if (rounds >= k_rounds) {
            want_write_ = true;
            break;
        }
        auto n = send(fd_, wire_.data(), wire_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            wire_.consume(static_cast<std::size_t>(n));
            blocked_since_ = 0;
        } else if (errno == EAGAIN) {
            want_write_ = true;
            if (!blocked_since_) blocked_since_ = loop_.now();
            if (phase_ == phase::open) arm_deadlines();
            break;
        } else if (errno != EINTR) {
            if (phase_ == phase::lingering) return release();
            return end(SIGRUN_E_IO, code::none, sdk::concat("the connection failed: ", std::strerror(errno)));
        }
    }
    bool stuck;
    bool waiting;
    {
        std::lock_guard lock(mutex_);
        stuck = output_.stuck() || overflowed_;
        waiting = waiting_calls_ && output_.roomy();
    }
    if (phase_ == phase::lingering) {
        if (!want_write_) shutdown(fd_, SHUT_WR);
        return;
    }
    if (stuck) {
        shared_->host.log(SIGRUN_LOG_WARNING, "valkyrie: the peer does not read; connection closed");
        return end(SIGRUN_E_IO, code::stuck, "the peer does not read: the output queue is full");
    }
    if (waiting) resume_calls();
}

void connection::update_interest() {
    std::uint32_t wanted = want_write_ ? EPOLLOUT : 0u;
    if (!inbox_.overfull()) wanted |= EPOLLIN | EPOLLRDHUP;
    if (wanted == interest_ || fd_ < 0) return;
    if (wanted & ~interest_ & EPOLLIN) heard_ = loop_.now();  // while it was not read, the peer could not be heard
    interest_ = wanted;
    loop_.rewatch(*this, fd_, wanted);
}

void connection::close_session(const std::string& why) {
    inbox_.close(why, true);
    end(SIGRUN_E_CANCELLED, code::none, why);
}

void connection::end(sigrun_result result, std::uint32_t wire_code, const std::string& why) {
    if (phase_ == phase::dead) return;
    if (phase_ == phase::lingering) return release();
    bool say = wire_code != code::none || result == SIGRUN_E_CANCELLED;
    if (phase_ == phase::preface && wire_.empty() && from_.side == role::accepted) say = false;
    tear_down(result, why);
    if (!say) return release();
    {
        std::lock_guard lock(mutex_);
        if (wire_code == code::stuck) output_.clear();  // the GOAWAY follows the frames that are partly written
        sdk::guarded(nullptr, [&] { encode_reason(output_.control(), type::goaway, {}, wire_code, why); });
    }
    linger_deadline_ = loop_.now() + k_linger_ns;
    loop_.flush_soon(*this);
    arm_deadlines();
    update_interest();
}

void connection::tear_down(sigrun_result result, const std::string& why) {
    phase_ = phase::lingering;
    std::vector<ping_wait> pings;
    std::unordered_map<std::uint32_t, inbound_call*> theirs;
    std::vector<std::unique_ptr<outbound_call>> ours;
    {
        std::lock_guard lock(mutex_);
        usable_ = false;
        pings.swap(pings_);
        theirs = inbound_.take_all();
        for (auto& [stream, call] : theirs) call->ended = true;
        for (auto* call : outbound_.all()) ours.push_back(outbound_.remove(call->stream));
    }
    for (auto& [stream, call] : theirs) end_for_host(*shared_, *call);
    for (auto& call : ours) call->op.fail(result == SIGRUN_OK ? SIGRUN_E_IO : result, why);
    for (auto& ping : pings) ping.done(result, 0);
    inbox_.close(why, false);
    if (auto ready = std::exchange(ready_, nullptr)) ready(result, why);
}

void connection::release() {
    phase_ = phase::dead;
    loop_.forget(*this, fd_);
    close(std::exchange(fd_, -1));
    if (from_.lifetime) shared_->host.complete(from_.lifetime, SIGRUN_OK);
}

void connection::on_stop() {
    if (phase_ == phase::dead) return;
    if (phase_ != phase::lingering) end(SIGRUN_E_CANCELLED, code::shutdown, "the plugin is stopping");
    if (phase_ == phase::lingering) {
        write_out();
        if (phase_ == phase::lingering) release();
    }
}

}  // namespace sigrun::valkyrie
