// One I/O thread of the plugin: an io_context, run inside sdk::thread_scope, with a coarse tick for time
// limits. Connections, sessions and dialled links each belong to one loop and are touched only on its thread;
// others post.
#pragma once

#include <sigrun/cpp/host.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>

namespace sigrun::http {

namespace asio = boost::asio;
using clock = std::chrono::steady_clock;
using time_point = clock::time_point;

/// Something on a loop that has time limits.
class ticking {
public:
    virtual ~ticking() = default;
    /// [loop] About four times a second.
    virtual void tick(time_point now) = 0;
    /// [loop] The plugin is going away: end now.
    virtual void shut() = 0;
};

class loop {
public:
    loop(const sdk::host& host, std::string name);
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;
    ~loop();  // stops and joins

    void start();
    asio::io_context& context() noexcept { return context_; }
    bool here() const noexcept { return std::this_thread::get_id() == id_.load(std::memory_order_relaxed); }
    /// [any] Runs fn on the loop's thread, later.
    template <class F>
    void post(F&& fn) {
        asio::post(context_, std::forward<F>(fn));
    }
    /// [any] Runs fn now if this is the loop's thread, else posts it.
    template <class F>
    void dispatch(F&& fn) {
        if (here()) {
            fn();
        } else {
            post(std::forward<F>(fn));
        }
    }

    /// [loop] Owned until removed. `count` is what other threads see.
    void add(const std::shared_ptr<ticking>& member);
    void remove(ticking* member);
    std::size_t count() const noexcept { return count_.load(std::memory_order_acquire); }
    template <class F>
    void for_each(const F& fn) {
        const auto copy = members_;  // fn may add and remove
        for (const auto& [raw, member] : copy) fn(member);
    }
    /// [any] Tells every member to end, now and from then on.
    void shut_all();

    /// [loop] The Date header's value, refreshed once a second.
    std::string_view date();

private:
    void run();
    void arm();

    sdk::host host_;
    std::string name_;
    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    asio::steady_timer timer_;
    std::map<ticking*, std::shared_ptr<ticking>> members_;
    std::atomic<std::size_t> count_{0};
    std::atomic<std::thread::id> id_{};
    bool shutting_ = false;
    std::time_t date_at_ = 0;
    std::string date_;
    std::thread thread_;
};

}  // namespace sigrun::http
