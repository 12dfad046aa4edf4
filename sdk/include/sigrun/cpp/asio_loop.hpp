// sigrun/cpp/asio_loop.hpp: one I/O thread of a plugin on Boost.Asio: an io_context, run inside thread_scope, with a coarse
// tick for time limits. Connections, sessions and dialled links each belong to one loop and are touched only on its thread;
// others post.
#pragma once

#include <sigrun/cpp/host.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <thread>

namespace sigrun::sdk {

/// Something on a loop that has time limits.
class ticking {
public:
    virtual ~ticking() = default;
    /// [loop] About four times a second.
    virtual void tick(std::chrono::steady_clock::time_point now) = 0;
    /// [loop] The plugin is going away: end now.
    virtual void shut() = 0;
};

class asio_loop {
public:
    asio_loop(const host& h, std::string name)
        : host_(h), name_(std::move(name)), work_(context_.get_executor()), timer_(context_) {}
    asio_loop(const asio_loop&) = delete;
    asio_loop& operator=(const asio_loop&) = delete;
    ~asio_loop() {
        context_.stop();
        if (thread_.joinable()) thread_.join();
    }

    void start() {
        thread_ = std::thread([this] { run(); });
    }
    boost::asio::io_context& context() noexcept { return context_; }
    bool here() const noexcept { return std::this_thread::get_id() == id_.load(std::memory_order_relaxed); }
    /// [any] Runs fn on the loop's thread, later.
    template <class F>
    void post(F&& fn) {
        boost::asio::post(context_, std::forward<F>(fn));
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
    void add(const std::shared_ptr<ticking>& member) {
        members_.emplace(member.get(), member);
        count_.store(members_.size(), std::memory_order_release);
        if (shutting_) post([member] { member->shut(); });
    }
    void remove(ticking* member) {
        auto found = members_.find(member);
        if (found == members_.end()) return;
        auto keep = std::move(found->second);  // its destructor may reach this map
        members_.erase(found);
        count_.store(members_.size(), std::memory_order_release);
    }
    std::size_t count() const noexcept { return count_.load(std::memory_order_acquire); }
    template <class F>
    void for_each(const F& fn) {
        const auto copy = members_;  // fn may add and remove
        for (const auto& [raw, member] : copy) fn(member);
    }
    /// [any] Tells every member to end, now and from then on.
    void shut_all() {
        post([this] {
            shutting_ = true;
            for_each([](const std::shared_ptr<ticking>& member) { member->shut(); });
        });
    }

    /// [loop] The Date header's value, refreshed once a second.
    std::string_view date() {
        const std::time_t now = std::time(nullptr);
        if (now != date_at_) {
            date_at_ = now;
            std::tm utc{};
            gmtime_r(&now, &utc);
            char text[40];
            date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc));
        }
        return date_;
    }

private:
    void run() {
        thread_scope scope(host_, name_);
        id_.store(std::this_thread::get_id());
        arm();
        for (;;) {
            try {
                context_.run();
                return;
            } catch (const std::exception& e) {
                host_.log(SIGRUN_LOG_ERROR, name_, ": an event handler failed: ", e.what());
            } catch (...) {
                host_.log(SIGRUN_LOG_ERROR, name_, ": an event handler failed");
            }
        }
    }
    void arm() {
        timer_.expires_after(std::chrono::milliseconds(250));
        timer_.async_wait([this](const boost::system::error_code& ec) {
            if (ec) return;
            arm();
            const auto now = std::chrono::steady_clock::now();
            for_each([now](const std::shared_ptr<ticking>& member) { member->tick(now); });
        });
    }

    host host_;
    std::string name_;
    boost::asio::io_context context_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    boost::asio::steady_timer timer_;
    std::map<ticking*, std::shared_ptr<ticking>> members_;
    std::atomic<std::size_t> count_{0};
    std::atomic<std::thread::id> id_{};
    bool shutting_ = false;
    std::time_t date_at_ = 0;
    std::string date_;
    std::thread thread_;
};

}  // namespace sigrun::sdk
