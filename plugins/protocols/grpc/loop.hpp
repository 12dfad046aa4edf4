// One I/O thread: epoll, deadlines, tasks, and the end-of-batch flush.
//
// Everything a handler writes while the loop works through one batch of events is sent by one flush per
// handler at the end of the batch. Other threads append under the handler's own lock and call flush_soon(),
// which wakes the loop only if it sleeps and nobody has woken it yet.
#pragma once

#include <sigrun/cpp/host.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace sigrun::grpc {

/// CLOCK_MONOTONIC.
std::uint64_t now_ns() noexcept;

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
    friend class loop;
    std::uint64_t armed_ = 0;
    bool dirty_ = false;
    std::atomic<bool> remote_dirty_{false};
};

class loop {
public:
    loop(const sdk::host& host, std::string name);
    ~loop();  // stop()
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    void start();  // throws sdk::failure
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

    sdk::host host_;
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

}  // namespace sigrun::grpc
