#include "kernel/agent/silence_watch.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {

void silence_watch::begin() {
    std::lock_guard lock(mutex_);
    if (std::exchange(begun_, true) || !on_silence_) return;
    last_ = clock::system().now();
    wait();
}

void silence_watch::heard() {
    std::lock_guard lock(mutex_);
    last_ = clock::system().now();
}

void silence_watch::hold(bool held) {
    std::lock_guard lock(mutex_);
    held_ = held;
    last_ = clock::system().now();
}

void silence_watch::end() {
    std::function<void()> gone;
    std::lock_guard lock(mutex_);
    gone.swap(on_silence_);
    timer_.cancel();
}

void silence_watch::wait() {
    timer_.expires_after(std::max<nanoseconds>(last_ + limit_ - clock::system().now(), std::chrono::milliseconds(1)));
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        if (auto self = ec ? nullptr : weak.lock()) self->look();
    });
}

void silence_watch::look() {
    std::function<void()> tell;
    {
        std::lock_guard lock(mutex_);
        if (!on_silence_) return;
        const auto now = clock::system().now();
        if (held_) last_ = now;
        if (now < last_ + limit_) return wait();
        tell.swap(on_silence_);
    }
    tell();
}

}  // namespace sigrun
