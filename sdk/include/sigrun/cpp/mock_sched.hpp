// sigrun/cpp/mock_sched.hpp: the threads behind "sigrun.host.sched/1" of mock_host: one ctl, two work, one io
// thread with timers and descriptors. Tests only; thread-safe. The destructor runs what was posted and joins.
#pragma once

#include <sigrun/host.h>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace sigrun::sdk::mock {

struct task {
    sigrun_fn fn;
    void* ctx;
};

/// A lane of `n` threads that run tasks in the order of posting.
class lane {
public:
    explicit lane(unsigned n) {
        for (unsigned i = 0; i < n; ++i) threads_.emplace_back([this] { run(); });
    }
    ~lane() {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        changed_.notify_all();
        for (auto& t : threads_) t.join();
    }
    void post(task t) {
        {
            std::lock_guard lock(mutex_);
            tasks_.push_back(t);
        }
        changed_.notify_one();
    }

private:
    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
            if (tasks_.empty()) return;
            task t = tasks_.front();
            tasks_.pop_front();
            lock.unlock();
            t.fn(t.ctx);
            lock.lock();
        }
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<task> tasks_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

/// The io lane: tasks, timers, level-triggered descriptors.
class io_lane {
public:
    using on_fd = void (*)(void*, std::int32_t, std::uint32_t);
    io_lane() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), thread_([this] { run(); }) {}
    ~io_lane() {
        {
            std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake();
        thread_.join();
        close(wake_);
    }
    void post(task t) {
        {
            std::lock_guard lock(mutex_);
            tasks_.push_back(t);
        }
        wake();
    }
    std::uint64_t timer(std::uint64_t delay_ns, std::uint64_t period_ns, task t) {
        auto due = clock::now() + std::chrono::nanoseconds(delay_ns);
        std::uint64_t id = 0;
        {
            std::lock_guard lock(mutex_);
            id = next_++;
            timers_.emplace(id, timer_entry{due, std::chrono::nanoseconds(period_ns), t});
        }
        wake();
        return id;
    }
    /// `told`: gets the id before the first call, which may want to stop it.
    std::uint64_t watch(std::int32_t fd, std::uint32_t events, on_fd cb, void* ctx, std::uint64_t* told = nullptr) {
        std::uint64_t id = 0;
        {
            std::lock_guard lock(mutex_);
            id = next_++;
            if (told) *told = id;
            watches_.emplace(id, watch_entry{fd, events, cb, ctx});
        }
        wake();
        return id;
    }
    /// False: no such id was ever given out. A timer that fired already is fine.
    bool stop(std::uint64_t id, task done) {
        {
            std::lock_guard lock(mutex_);
            if (!id || id >= next_) return false;
            timers_.erase(id);
            watches_.erase(id);
            if (done.fn) tasks_.push_back(done);  // behind any call that runs now on this lane
        }
        wake();
        return true;
    }

private:
    using clock = std::chrono::steady_clock;
    struct timer_entry {
        clock::time_point due;
        std::chrono::nanoseconds period;
        task what;
    };
    struct watch_entry {
        std::int32_t fd;
        std::uint32_t events;
        on_fd cb;
        void* ctx;
    };

    void wake() noexcept {
        std::uint64_t one = 1;
        [[maybe_unused]] auto n = write(wake_, &one, sizeof one);
    }

    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            while (!tasks_.empty()) {
                task t = tasks_.front();
                tasks_.pop_front();
                unlocked(lock, [&] { t.fn(t.ctx); });
            }
            if (stopping_) return;
            if (fire_timers(lock)) continue;
            poll_once(lock);
        }
    }
    template <class F>
    static void unlocked(std::unique_lock<std::mutex>& lock, const F& f) {
        lock.unlock();
        f();
        lock.lock();
    }
    bool fire_timers(std::unique_lock<std::mutex>& lock) {
        const auto now = clock::now();
        auto due = std::find_if(timers_.begin(), timers_.end(), [&](const auto& t) { return t.second.due <= now; });
        if (due == timers_.end()) return false;
        task t = due->second.what;
        if (due->second.period.count() > 0) {
            due->second.due = now + due->second.period;
        } else {
            timers_.erase(due);
        }
        unlocked(lock, [&] { t.fn(t.ctx); });
        return true;
    }
    void poll_once(std::unique_lock<std::mutex>& lock) {
        std::vector<pollfd> fds{{wake_, POLLIN, 0}};
        std::vector<std::uint64_t> ids{0};
        for (const auto& [id, w] : watches_) {
            int events = (w.events & SIGRUN_FD_READ ? POLLIN : 0) | (w.events & SIGRUN_FD_WRITE ? POLLOUT : 0);
            fds.push_back({w.fd, static_cast<short>(events), 0});
            ids.push_back(id);
        }
        auto until = clock::now() + std::chrono::hours(1);
        for (const auto& [id, t] : timers_) until = std::min(until, t.due);
        unlocked(lock, [&] {
            auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock::now()).count();
            ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000)));
        });
        if (fds[0].revents) {
            std::uint64_t count = 0;
            [[maybe_unused]] auto n = read(wake_, &count, sizeof count);
        }
        for (std::size_t i = 1; i < fds.size(); ++i) {
            if (!fds[i].revents) continue;
            auto found = watches_.find(ids[i]);  // an earlier callback may have stopped it
            if (found == watches_.end()) continue;
            watch_entry w = found->second;
            if (fds[i].revents & POLLNVAL) {  // closed while watched: nothing more can come
                watches_.erase(found);
                continue;
            }
            std::uint32_t ready = 0;
            if (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) ready |= SIGRUN_FD_READ & w.events;
            if (fds[i].revents & (POLLOUT | POLLHUP | POLLERR)) ready |= SIGRUN_FD_WRITE & w.events;
            unlocked(lock, [&] { w.cb(w.ctx, w.fd, ready); });
        }
    }

    int wake_;
    std::mutex mutex_;
    std::deque<task> tasks_;
    std::map<std::uint64_t, timer_entry> timers_;
    std::map<std::uint64_t, watch_entry> watches_;
    std::uint64_t next_ = 1;
    bool stopping_ = false;
    std::thread thread_;
};

struct scheduler {
    lane ctl{1};
    lane work{2};
    io_lane io;
};

}  // namespace sigrun::sdk::mock
