// Reading, writing and the end.
#include "h2/connection.hpp"
#include "wire/problem.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun::grpc {

namespace {
constexpr std::uint64_t k_linger_ns = 1'000'000'000;
constexpr std::size_t k_batch = 64 << 10;
}  // namespace

connection::~connection() {
    if (h2_) nghttp2_session_del(h2_);
    if (fd_ >= 0) close(fd_);
    --shared_->connections;
}

void connection::start(std::uint64_t deadline) {
    handshake_deadline_ = deadline;
    heard_ = last_activity_ = loop_.now();
    int on = 1;
    int unsent = 128 * 1024;  // what lies in the kernel's buffer cannot be overtaken any more
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on UNIX sockets, which do not delay
    setsockopt(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    interest_ = EPOLLIN;
    if (!loop_.watch(shared_from_this(), fd_, interest_))
        return end(SIGRUN_E_IO, NGHTTP2_INTERNAL_ERROR, "the system cannot watch the descriptor");
    loop_.flush_soon(*this);
    arm_deadlines();
}

void connection::on_events(std::uint32_t events) {
    if (phase_ == phase::dead) return;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read();
    if (phase_ != phase::dead) loop_.flush_soon(*this);
}

/// One read per readiness: what is left makes the descriptor ready again, after answers and other connections had their
/// turn.
void connection::read() {
    auto room = loop_.scratch();
    ssize_t n;
    do {
        n = recv(fd_, room.data, room.size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno == EAGAIN) return;
        return end(SIGRUN_E_IO, NGHTTP2_NO_ERROR, sdk::concat("the connection failed: ", std::strerror(errno)));
    }
    if (n == 0) {
        const bool mute = phase_ == phase::handshake && !first_bytes_seen_;
        return end(SIGRUN_E_IO, NGHTTP2_NO_ERROR,
                   mute ? "the peer closed the connection without a word" : "the peer closed the connection");
    }
    heard_ = loop_.now();
    unanswered_ = 0;
    if (phase_ != phase::lingering) take({room.data, static_cast<std::size_t>(n)});
}

bool connection::foreign(std::string_view bytes) {
    if (side_ == role::accepted || first_bytes_seen_ || bytes.substr(0, 5) != "HTTP/") return false;
    const auto line = bytes.substr(0, bytes.find_first_of("\r\n"));
    end(SIGRUN_E_UNSUPPORTED, NGHTTP2_NO_ERROR,
        sdk::concat("the peer speaks HTTP/1 and no HTTP/2: it answered '", shown(line.substr(0, 60)), "'"));
    return true;
}

void connection::take(std::string_view bytes) {
    if (foreign(bytes)) return;
    first_bytes_seen_ = true;
    const auto keep = shared_from_this();
    const auto n = nghttp2_session_mem_recv(h2_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (phase_ == phase::dead || phase_ == phase::lingering) return;
    if (n < 0) {
        shared_->count.abused();
        return end(SIGRUN_E_IO, n == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR,
                   sdk::concat("the peer broke HTTP/2: ", nghttp2_strerror(static_cast<int>(n))));
    }
}

void connection::flush() {
    if (phase_ == phase::dead) return;
    const auto keep = shared_from_this();
    std::vector<std::shared_ptr<stream>> touched;
    {
        std::lock_guard lock(mutex_);
        touched.swap(touched_);
        for (auto& wait : pings_) {
            if (wait.id || phase_ != phase::open) continue;
            wait.id = ++next_ping_;
            wait.sent = now_ns();
            std::uint8_t opaque[8];
            std::memcpy(opaque, &wait.id, sizeof opaque);
            nghttp2_submit_ping(h2_, NGHTTP2_FLAG_NONE, opaque);
        }
    }
    if (phase_ != phase::lingering)
        for (auto& s : touched) {
            s->retry();
            advance(*s);
        }
    write_out();
    if (phase_ != phase::dead) update_interest();
}

void connection::write_out() {
    constexpr int k_rounds = 8;  // about 512 KiB; then reading and other connections have their turn
    want_write_ = false;
    for (int rounds = 0;; ++rounds) {
        if (written_ == wire_.size()) {
            wire_.clear();
            written_ = 0;
            while (wire_.size() < k_batch) {
                const std::uint8_t* data = nullptr;
                const auto n = nghttp2_session_mem_send(h2_, &data);
                if (n < 0) return end(SIGRUN_E_IO, NGHTTP2_INTERNAL_ERROR, nghttp2_strerror(static_cast<int>(n)));
                if (n == 0) break;
                wire_.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(n));
            }
            if (phase_ == phase::dead) return;
            if (wire_.empty()) break;
        }
        if (rounds >= k_rounds) {
            want_write_ = true;
            break;
        }
        const auto n = send(fd_, wire_.data() + written_, wire_.size() - written_, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            written_ += static_cast<std::size_t>(n);
            blocked_since_ = 0;
        } else if (errno == EAGAIN) {
            want_write_ = true;
            if (!blocked_since_) blocked_since_ = loop_.now();
            if (phase_ == phase::open) arm_deadlines();
            return;
        } else if (errno != EINTR) {
            if (phase_ == phase::lingering) return release();
            return end(SIGRUN_E_IO, NGHTTP2_NO_ERROR, sdk::concat("the connection failed: ", std::strerror(errno)));
        }
    }
    if (want_write_) return;
    if (phase_ == phase::lingering) {
        shutdown(fd_, SHUT_WR);
    } else if (final_goaway_ || (told_to_go_ && streams_.empty())) {
        // nghttp2 has said GOAWAY because of what the peer did, or the peer has, and nothing is left.
        if (final_goaway_) shared_->count.abused();
        end(SIGRUN_E_IO, NGHTTP2_NO_ERROR, final_goaway_ ? "the peer broke HTTP/2" : "the peer ended the connection");
    }
}

void connection::update_interest() {
    std::uint32_t wanted = want_write_ ? EPOLLOUT : 0u;
    // Who does not take answers is not asked for more questions: acknowledgements would pile up.
    if (wire_.size() - written_ < 4 * k_batch) wanted |= EPOLLIN;
    if (wanted == interest_ || fd_ < 0) return;
    if (wanted & ~interest_ & EPOLLIN) heard_ = loop_.now();
    interest_ = wanted;
    loop_.rewatch(*this, fd_, wanted);
}

bool connection::has_unread() const noexcept {
    int bytes = 0;
    return fd_ >= 0 && ioctl(fd_, FIONREAD, &bytes) == 0 && bytes > 0;
}

void connection::each_stream(const std::function<void(stream&)>& visit) {
    std::vector<std::shared_ptr<stream>> all;
    for (auto& [id, s] : streams_) all.push_back(s);
    for (auto& s : all) visit(*s);
}

void connection::end(sigrun_result result, std::uint32_t h2_error, const std::string& why) {
    if (phase_ == phase::dead) return;
    if (phase_ == phase::lingering) return release();
    // Nobody there understands a GOAWAY before there was a preface.
    const bool say = result != SIGRUN_E_IO || h2_error != NGHTTP2_NO_ERROR;
    const bool mute = side_ == role::accepted && !first_bytes_seen_;
    const auto keep = shared_from_this();
    tear_down(result, why);
    if (!say || mute || result == SIGRUN_E_UNSUPPORTED) return release();
    nghttp2_session_terminate_session(h2_, h2_error);
    linger_deadline_ = loop_.now() + k_linger_ns;
    loop_.flush_soon(*this);
    arm_deadlines();
    update_interest();
}

void connection::tear_down(sigrun_result result, const std::string& why) {
    phase_ = phase::lingering;
    std::map<std::int32_t, std::shared_ptr<stream>> streams;
    streams.swap(streams_);
    std::vector<ping_wait> pings;
    {
        std::lock_guard lock(mutex_);
        usable_ = false;
        pings.swap(pings_);
        touched_.clear();
        for (auto& [id, s] : streams) {
            s->gone_ = true;
            s->out_.clear();
        }
    }
    for (auto& [id, s] : streams) s->on_closed(result == SIGRUN_OK ? SIGRUN_E_IO : result, why);
    for (auto& ping : pings) ping.done(result == SIGRUN_OK ? SIGRUN_E_IO : result, 0);
    on_gone(result, why);
}

void connection::release() {
    phase_ = phase::dead;
    loop_.forget(*this, fd_);
    close(std::exchange(fd_, -1));
    on_released();
}

void connection::on_stop() {
    if (phase_ == phase::dead) return;
    if (phase_ != phase::lingering) end(SIGRUN_E_CANCELLED, NGHTTP2_NO_ERROR, "the plugin is stopping");
    if (phase_ == phase::lingering) {
        write_out();
        if (phase_ == phase::lingering) release();
    }
}

}  // namespace sigrun::grpc
