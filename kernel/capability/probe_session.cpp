#include "kernel/capability/probe_session.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>

namespace sigrun {
namespace {

using std::chrono::milliseconds;
namespace asio = boost::asio;

constexpr milliseconds k_orderly{1000};  // to end by itself
constexpr milliseconds k_killed{1000};   // to be gone after SIGKILL; what takes longer hangs in the system
constexpr milliseconds k_longest_pause{32};

}  // namespace

probe_session::probe_session(plugin_host& host, std::shared_ptr<probe_activity> activity,
                             std::weak_ptr<probe_session_owner> owner, std::unique_ptr<probe_process> process,
                             owned_fd socket)
    : host_(host),
      presence_(std::move(activity)),
      owner_(std::move(owner)),
      id_(process->id()),
      process_(std::move(process)),
      socket_(host.io(), asio::local::stream_protocol(), socket.release()),
      timer_(host.io()) {}

void probe_session::begin() {
    asio::post(host_.io(), [self = shared_from_this()] { self->read(); });
}

void probe_session::send(std::string frame) {
    asio::post(host_.io(), [self = shared_from_this(), frame = std::move(frame)]() mutable {
        if (self->ending_) return;
        self->unsent_.push_back(std::move(frame));
        if (self->unsent_.size() == 1) self->write();
    });
}

void probe_session::write() {
    asio::async_write(socket_, asio::buffer(unsent_.front()),
                      [self = shared_from_this()](const boost::system::error_code& ec, std::size_t) {
                          if (ec) return;  // the reading side sees the end, too
                          self->unsent_.pop_front();
                          if (!self->unsent_.empty()) self->write();
                      });
}

void probe_session::read() {
    if (ending_) return;
    socket_.async_read_some(asio::buffer(piece_),
                            [self = shared_from_this()](const boost::system::error_code& ec, std::size_t n) {
                                if (ec) return self->shut();
                                self->feeding_ = true;
                                self->host_.post_work([self, n] { self->feed(n); });
                            });
}

// On the worker pool. What has arrived is heard even if the process is gone by now.
void probe_session::feed(std::size_t n) {
    frames_.take({piece_.data(), n});
    std::string wrong;
    if (auto owner = owner_.lock()) {
        for (;;) {
            auto frame = frames_.next();
            if (!frame) wrong = "it sent what is no message: " + frame.error().text();
            if (!frame || !*frame) break;
            owner->heard(*this, **frame);
        }
    }
    asio::post(host_.io(), [self = shared_from_this(), wrong = std::move(wrong)]() mutable {
        self->feeding_ = false;
        if (!wrong.empty()) return self->kill(std::move(wrong));
        self->read();
    });
}

void probe_session::close() {
    asio::post(host_.io(), [self = shared_from_this()] { self->shut(); });
}

void probe_session::kill(std::string why) {
    asio::post(host_.io(), [self = shared_from_this(), why = std::move(why)]() mutable {
        if (self->over_ || self->killed_) return;
        if (self->why_.empty()) self->why_ = std::move(why);
        self->killed_ = true;
        self->last_step_ = std::chrono::steady_clock::now();
        self->pause_ = milliseconds(0);
        self->process_->kill();
        if (self->ending_) return;  // and is looked at already
        self->shut();
    });
}

// Our end of the socket is closed: the child has, or is to end.
void probe_session::shut() {
    if (ending_) return;
    ending_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
    if (!killed_) last_step_ = std::chrono::steady_clock::now();
    reap();
}

void probe_session::reap() {
    if (over_) return;
    if (!feeding_)
        if (const auto status = process_->look()) return end(status);
    const auto now = std::chrono::steady_clock::now();
    if (now - last_step_ >= (killed_ ? k_killed : k_orderly)) {
        if (killed_ && !feeding_) return end(std::nullopt);
        if (!killed_) {
            killed_ = true;
            last_step_ = now;
            pause_ = milliseconds(0);
            process_->kill();
        }
    }
    pause_ = std::clamp(2 * pause_, milliseconds(1), k_longest_pause);
    timer_.expires_after(pause_);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code&) { self->reap(); });
}

void probe_session::end(std::optional<int> status) {
    over_ = true;
    if (auto owner = owner_.lock()) owner->ended(*this, status, why_);
}

}  // namespace sigrun
