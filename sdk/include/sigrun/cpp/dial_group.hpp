// sigrun/cpp/dial_group.hpp: the dials of one component, so that none is left when the component goes. See sigrun/net.h.
#pragma once

#include <sigrun/cpp/net.hpp>

#include <unistd.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

namespace sigrun::sdk {

/// A connection's descriptor on its way to whoever takes it; closed if nobody does.
class dialled_fd {
public:
    explicit dialled_fd(int fd) noexcept : fd_(fd) {}
    dialled_fd(dialled_fd&& o) noexcept : fd_(o.release()) {}
    dialled_fd& operator=(dialled_fd&&) = delete;
    ~dialled_fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

class dial_group {
public:
    /// Throws failure if the host has no sigrun.host.net/1. The host must outlive it.
    explicit dial_group(const host& h) : net_(h) {}
    dial_group(const dial_group&) = delete;
    dial_group& operator=(const dial_group&) = delete;
    ~dial_group() { end(); }

    /// [any] As net::dial; the answer names the dial for cancel(). Throws failure(E_CANCELLED) after end().
    std::uint64_t dial(const net_target& to, net_done done) {
        std::uint64_t mine = 0;
        {
            std::lock_guard lock(mutex_);
            if (ended_) throw failure(SIGRUN_E_CANCELLED, "the plugin is stopping");
            mine = ++last_;
            open_[mine] = 0;
        }
        auto answered = [this, mine, then = std::move(done)](sigrun_result result, net_connection opened,
                                                             std::string why) {
            then(result, std::move(opened), std::move(why));
            finished(mine);
        };
        std::uint64_t id = 0;
        try {
            id = net_.dial(to, std::move(answered));
        } catch (...) {
            finished(mine);
            throw;
        }
        std::lock_guard lock(mutex_);
        const auto found = open_.find(mine);
        if (found == open_.end()) return mine;  // it has its answer already
        found->second = id;
        if (ended_) net_.cancel(id);
        return mine;
    }
    /// [any]
    void cancel(std::uint64_t dial) noexcept {
        std::lock_guard lock(mutex_);
        if (const auto found = open_.find(dial); found != open_.end() && found->second) net_.cancel(found->second);
    }
    /// [any] Gives up what is open now.
    void cancel_all() noexcept {
        std::lock_guard lock(mutex_);
        for (const auto& [mine, id] : open_)
            if (id) net_.cancel(id);
    }
    /// Gives up what is open, refuses more, and returns when the last answer was given. Not from an answer.
    void end() noexcept {
        std::unique_lock lock(mutex_);
        ended_ = true;
        for (const auto& [mine, id] : open_)
            if (id) net_.cancel(id);
        none_.wait(lock, [this] { return open_.empty(); });
    }
    /// [any] Dials without an answer.
    std::size_t open() const noexcept {
        std::lock_guard lock(mutex_);
        return open_.size();
    }

private:
    void finished(std::uint64_t mine) noexcept {
        std::lock_guard lock(mutex_);
        open_.erase(mine);
        if (open_.empty()) none_.notify_all();  // under the lock: whoever waits destroys this
    }

    const net net_;
    mutable std::mutex mutex_;
    std::condition_variable none_;
    std::map<std::uint64_t, std::uint64_t> open_;  // our number -> the host's; 0 = not known yet
    std::uint64_t last_ = 0;
    bool ended_ = false;
};

}  // namespace sigrun::sdk
