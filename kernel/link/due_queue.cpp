#include "kernel/link/due_queue.hpp"

#include <boost/asio/post.hpp>

#include <utility>
#include <vector>

namespace sigrun {

void due_queue::at(time_point when, task what) {
    bool first = false;
    {
        std::lock_guard lock(mutex_);
        if (stopped_) return;
        first = waiting_.empty() || when < waiting_.begin()->first;
        waiting_.emplace(when, std::move(what));
    }
    if (first) boost::asio::post(control_, [me = shared_from_this()] { me->arm(); });
}

void due_queue::stop() {
    std::multimap<time_point, task> forgotten;  // goes without the lock: what it holds may come back here
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
        forgotten.swap(waiting_);
    }
    boost::asio::post(control_, [me = shared_from_this()] { me->timer_.cancel(); });
}

void due_queue::arm() {
    time_point next{};
    {
        std::lock_guard lock(mutex_);
        if (waiting_.empty()) return;
        next = waiting_.begin()->first;
    }
    timer_.expires_after(std::max<nanoseconds>(next - clock_.now(), nanoseconds(0)));  // ends the wait for a later one
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        if (auto me = weak.lock(); me && !ec) me->run();
    });
}

void due_queue::run() {
    std::vector<task> due;
    {
        std::lock_guard lock(mutex_);
        const auto end = waiting_.upper_bound(clock_.now());
        for (auto it = waiting_.begin(); it != end; it = waiting_.erase(it)) due.push_back(std::move(it->second));
    }
    for (auto& each : due) each();
    arm();
}

}  // namespace sigrun
