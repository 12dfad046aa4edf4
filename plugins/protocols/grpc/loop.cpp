#include "loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace sigrun::grpc {

std::uint64_t now_ns() noexcept {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

loop::loop(const sdk::host& host, std::string name)
    : host_(host), name_(std::move(name)), scratch_(new char[k_scratch]) {}

loop::~loop() {
    stop();
    if (wake_fd_ >= 0) close(wake_fd_);
    if (epoll_ >= 0) close(epoll_);
}

void loop::start() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (epoll_ < 0 || wake_fd_ < 0) throw sdk::failure(SIGRUN_E_IO, "the system gives no epoll or event descriptor");
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;  // edge-triggered: the counter never has to be read
    event.data.ptr = nullptr;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_fd_, &event);
    thread_ = std::thread([this] {
        sdk::thread_scope scope(host_, name_);
        id_.store(std::this_thread::get_id());
        run();
        id_.store({});  // the system may give the number to another thread
    });
}

void loop::stop() {
    if (!thread_.joinable()) return;
    stopping_.store(true);
    wake();
    thread_.join();
}

bool loop::post(std::function<void()> task) {
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

void loop::flush_soon(io_handler& handler) {
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

void loop::wake() noexcept {
    std::uint64_t one = 1;
    [[maybe_unused]] auto n = write(wake_fd_, &one, sizeof one);  // only fails when it is awake anyway
}

bool loop::watch(const std::shared_ptr<io_handler>& handler, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = handler.get();
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return false;
    handlers_[handler.get()] = handler;
    return true;
}

void loop::rewatch(io_handler& handler, int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &handler;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void loop::forget(io_handler& handler, int fd) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    auto found = handlers_.find(&handler);
    if (found == handlers_.end()) return;
    gone_.push_back(std::move(found->second));
    handlers_.erase(found);
}

void loop::arm(io_handler& handler, std::uint64_t when) {
    if (handler.armed_ && handler.armed_ <= when) return;
    handler.armed_ = when;
    alarms_.push({when, handler.weak_from_this()});
}

void loop::each(const std::function<void(io_handler&)>& visit) {
    std::vector<std::shared_ptr<io_handler>> all;
    for (auto& [raw, owner] : handlers_) all.push_back(owner);
    for (auto& one : all) visit(*one);
}

/// Runs a step; if memory runs out in it, the handler is ended instead of the process.
template <class Step>
void loop::protect(io_handler* handler, Step&& step) {
    auto result = sdk::guarded(nullptr, step);
    if (result >= 0) return;
    host_.log(SIGRUN_LOG_ERROR, "grpc: a connection failed inside (result ", result, ")");
    if (handler) sdk::guarded(nullptr, [&] { handler->on_stop(); });
}

int loop::wait_ms() noexcept {
    if (alarms_.empty()) return -1;
    auto when = alarms_.top().when;
    auto now = now_ns();
    if (when <= now) return 0;
    return static_cast<int>(std::min<std::uint64_t>((when - now) / 1'000'000 + 1, 60'000));
}

void loop::ring_alarms() {
    while (!alarms_.empty() && alarms_.top().when <= now_) {
        auto due = alarms_.top();
        alarms_.pop();
        auto handler = due.handler.lock();
        if (!handler || handler->armed_ != due.when) continue;  // gone, or replaced by an earlier deadline
        handler->armed_ = 0;
        protect(handler.get(), [&] { handler->on_deadline(now_); });
    }
}

void loop::take_remote() {
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
void loop::work_off() {
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

void loop::run() {
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

}  // namespace sigrun::grpc
