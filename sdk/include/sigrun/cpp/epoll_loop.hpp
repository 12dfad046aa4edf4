// sigrun/cpp/epoll_loop.hpp: one I/O thread of a plugin without a library: epoll, deadlines, tasks, and the end-of-batch flush.
//
// Everything a handler writes while the loop works through one batch of events is sent by one flush per handler at the end of the
// batch. Other threads append under the handler's own lock and call flush_soon(), which wakes the loop only if it sleeps and
// nobody has woken it yet. sigrun/cpp/asio_loop.hpp is the choice where a library does the reading and writing.
#pragma once

#include <sigrun/cpp/host.hpp>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace sigrun::sdk {

/// CLOCK_MONOTONIC.
inline std::uint64_t now_ns() noexcept {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

/// Something with a descriptor. All virtual calls run on the loop's thread.
class io_handler : public std::enable_shared_from_this<io_handler> {
public:
    virtual ~io_handler() = default;
    virtual void on_events(std::uint32_t epoll_events) = 0;
    virtual void on_deadline(std::uint64_t now) = 0;
    virtual void flush() {}
    /// The loop ends; forget() yourself.
    virtual void on_stop() = 0;

private:
    friend class epoll_loop;
    std::uint64_t armed_ = 0;
    bool dirty_ = false;
    std::atomic<bool> remote_dirty_{false};
};

class epoll_loop {
public:
    epoll_loop(const host& h, std::string name);
    ~epoll_loop();  // stop()
    epoll_loop(const epoll_loop&) = delete;
    epoll_loop& operator=(const epoll_loop&) = delete;

    void start();  // throws failure
    /// Stops every handler, ends and joins the thread. Not from the loop's own thread.
    void stop();

    bool on_thread() const noexcept { return std::this_thread::get_id() == id_.load(std::memory_order_relaxed); }
    /// [any] Runs the task on the loop's thread, after the current batch. False after stop().
    bool post(std::function<void()> task);
    /// [any] handler->flush() at the end of the batch.
    void flush_soon(io_handler& handler);

    // On the loop's thread only.
    bool watch(const std::shared_ptr<io_handler>& handler, int fd, std::uint32_t events);
    void rewatch(io_handler& handler, int fd, std::uint32_t events);
    /// Before the descriptor is closed. The handler lives on until the batch ends.
    void forget(io_handler& handler, int fd);
    /// on_deadline at `when` or soon after; an earlier deadline that is set already stays.
    void arm(io_handler& handler, std::uint64_t when);
    std::uint64_t now() const noexcept { return now_; }
    std::size_t handlers() const noexcept { return handlers_.size(); }
    /// Calls visit for a copy of the list of handlers.
    void each(const std::function<void(io_handler&)>& visit);
    /// Room for one read, shared by all handlers of this loop.
    struct room {
        char* data;
        std::size_t size;
    };
    room scratch() noexcept { return {scratch_.get(), k_scratch}; }

private:
    static constexpr std::size_t k_scratch = 256 * 1024;
    struct alarm {
        std::uint64_t when;
        std::weak_ptr<io_handler> handler;
        bool operator<(const alarm& o) const noexcept { return when > o.when; }
    };
    void run();
    void work_off();
    void take_remote();
    void ring_alarms();
    template <class Step>
    void protect(io_handler* handler, Step&& step);
    int wait_ms() noexcept;
    void wake() noexcept;

    host host_;
    std::string name_;
    int epoll_ = -1;
    int wake_fd_ = -1;
    std::thread thread_;
    std::atomic<std::thread::id> id_{};
    std::unique_ptr<char[]> scratch_;

    // The loop's thread.
    std::uint64_t now_ = 0;
    std::unordered_map<io_handler*, std::shared_ptr<io_handler>> handlers_;
    std::vector<std::shared_ptr<io_handler>> gone_;
    std::priority_queue<alarm> alarms_;
    std::vector<std::shared_ptr<io_handler>> dirty_, flushing_;
    std::vector<std::function<void()>> tasks_, running_;

    // Others to the loop.
    std::mutex remote_mutex_;
    std::vector<std::function<void()>> remote_tasks_;
    std::vector<std::shared_ptr<io_handler>> remote_dirty_;
    bool stopped_ = false;
    std::atomic<bool> remote_pending_{false};
    std::atomic<bool> sleeping_{false};
    std::atomic<bool> stopping_{false};
};

inline epoll_loop::epoll_loop(const host& h, std::string name)
    : host_(h), name_(std::move(name)), scratch_(new char[k_scratch]) {}

inline epoll_loop::~epoll_loop() {
    stop();
    if (wake_fd_ >= 0) close(wake_fd_);
    if (epoll_ >= 0) close(epoll_);
}

inline void epoll_loop::start() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll_ < 0 || wake_fd_ < 0) throw failure(SIGRUN_E_IO, "the system gives no epoll or event descriptor");
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;  // edge-triggered: the counter never has to be read
    event.data.ptr = nullptr;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_fd_, &event);
    thread_ = std::thread([this] {
        thread_scope scope(host_, name_);
        id_.store(std::this_thread::get_id());
        run();
        id_.store({});  // the system may give the number to another thread
    });
}

inline void epoll_loop::stop() {
    if (!thread_.joinable()) return;
    stopping_.store(true);
    wake();
    thread_.join();
}

inline bool epoll_loop::post(std::function<void()> task) {
    if (on_thread()) {
        tasks_.push_back(std::move(task));
        return true;
    }
    {
        std::lock_guard lock(remote_mutex_);
        if (stopped_) return false;
        remote_tasks_.push_back(std::move(task));
    }
    remote_pending_.store(true);
    if (sleeping_.exchange(false)) wake();
    return true;
}

inline void epoll_loop::flush_soon(io_handler& handler) {
    if (on_thread()) {
        if (handler.dirty_) return;
        handler.dirty_ = true;
        dirty_.push_back(handler.shared_from_this());
        return;
    }
    if (handler.remote_dirty_.exchange(true)) return;
    {
        std::lock_guard lock(remote_mutex_);
        remote_dirty_.push_back(handler.shared_from_this());
    }
    remote_pending_.store(true);
    if (sleeping_.exchange(false)) wake();
}

inline void epoll_loop::wake() noexcept {
    std::uint64_t one = 1;
    [[maybe_unused]] auto n = write(wake_fd_, &one, sizeof one);  // only fails when it is awake anyway
}

inline bool epoll_loop::watch(const std::shared_ptr<io_handler>& handler, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = handler.get();
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return false;
    handlers_[handler.get()] = handler;
    return true;
}

inline void epoll_loop::rewatch(io_handler& handler, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &handler;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

inline void epoll_loop::forget(io_handler& handler, int fd) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    auto found = handlers_.find(&handler);
    if (found == handlers_.end()) return;
    gone_.push_back(std::move(found->second));
    handlers_.erase(found);
}

inline void epoll_loop::arm(io_handler& handler, std::uint64_t when) {
    if (handler.armed_ && handler.armed_ <= when) return;
    handler.armed_ = when;
    alarms_.push({when, handler.weak_from_this()});
}

inline void epoll_loop::each(const std::function<void(io_handler&)>& visit) {
    std::vector<std::shared_ptr<io_handler>> all;
    for (auto& [raw, owner] : handlers_) all.push_back(owner);
    for (auto& one : all) visit(*one);
}

/// Runs a step; if memory runs out in it, the handler is ended instead of the process.
template <class Step>
inline void epoll_loop::protect(io_handler* handler, Step&& step) {
    auto result = guarded(nullptr, step);
    if (result >= 0) return;
    host_.log(SIGRUN_LOG_ERROR, name_, ": a connection failed inside (result ", result, ")");
    if (handler) guarded(nullptr, [&] { handler->on_stop(); });
}

inline int epoll_loop::wait_ms() noexcept {
    if (alarms_.empty()) return -1;
    auto when = alarms_.top().when;
    auto now = now_ns();
    if (when <= now) return 0;
    return static_cast<int>(std::min<std::uint64_t>((when - now) / 1'000'000 + 1, 60'000));
}

inline void epoll_loop::ring_alarms() {
    while (!alarms_.empty() && alarms_.top().when <= now_) {
        auto due = alarms_.top();
        alarms_.pop();
        auto handler = due.handler.lock();
        if (!handler || handler->armed_ != due.when) continue;  // gone, or replaced by an earlier deadline
        handler->armed_ = 0;
        protect(handler.get(), [&] { handler->on_deadline(now_); });
    }
}

inline void epoll_loop::take_remote() {
    if (!remote_pending_.exchange(false)) return;
    std::lock_guard lock(remote_mutex_);
    for (auto& task : remote_tasks_) tasks_.push_back(std::move(task));
    remote_tasks_.clear();
    for (auto& handler : remote_dirty_) {
        handler->remote_dirty_.store(false);  // before the flush: who appends from now on is seen or asks again
        if (handler->dirty_) continue;
        handler->dirty_ = true;
        dirty_.push_back(std::move(handler));
    }
    remote_dirty_.clear();
}

/// Tasks, then flushes, until neither is left: both may bring forth more of the other.
inline void epoll_loop::work_off() {
    take_remote();
    while (!tasks_.empty() || !dirty_.empty()) {
        running_.swap(tasks_);
        for (auto& task : running_) protect(nullptr, task);
        running_.clear();
        flushing_.swap(dirty_);
        for (auto& handler : flushing_) {
            handler->dirty_ = false;
            protect(handler.get(), [&] { handler->flush(); });
        }
        flushing_.clear();
        take_remote();
    }
    gone_.clear();
}

inline void epoll_loop::run() {
    std::array<epoll_event, 256> events;
    while (!stopping_.load()) {
        sleeping_.store(true);
        int wait = remote_pending_.load() ? 0 : wait_ms();
        int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait);
        sleeping_.store(false);
        now_ = now_ns();
        for (int i = 0; i < n; ++i) {
            auto& event = events[static_cast<std::size_t>(i)];
            auto* handler = static_cast<io_handler*>(event.data.ptr);
            if (handler && handlers_.count(handler)) protect(handler, [&] { handler->on_events(event.events); });
        }
        ring_alarms();
        work_off();
    }
    {
        std::lock_guard lock(remote_mutex_);
        stopped_ = true;
    }
    do {
        now_ = now_ns();
        each([this](io_handler& handler) { protect(nullptr, [&] { handler.on_stop(); }); });
        work_off();
    } while (!handlers_.empty() || remote_pending_.load());
    alarms_ = {};
}

}  // namespace sigrun::sdk
