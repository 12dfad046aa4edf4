#include "kernel/plugin/schedule.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>

namespace sigrun {
namespace asio = boost::asio;

namespace {

constexpr std::size_t k_max_entries = 65536;
constexpr std::uint64_t k_longest_ns = 10ull * 365 * 86400 * 1'000'000'000;  // ten years, far from overflow

std::chrono::nanoseconds span_of(std::uint64_t ns) noexcept {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(ns, k_longest_ns)));
}

}  // namespace

struct schedule::entry {
    explicit entry(schedule_count count) : owner(std::move(count)) { owner->fetch_add(1); }
    ~entry() { owner->fetch_sub(1); }

    schedule_count owner;
    std::uint64_t id = 0;
    std::atomic<bool> stopped{false};
    void* ctx = nullptr;
    // One of the two is set.
    std::optional<asio::steady_timer> timer;
    std::optional<asio::posix::stream_descriptor> descriptor;
    sigrun_fn on_time = nullptr;
    std::chrono::nanoseconds period{0};
    watch_fn on_ready = nullptr;
    std::int32_t fd = -1;
};

schedule::~schedule() = default;

std::uint64_t schedule::insert(const std::shared_ptr<entry>& made) {
    std::lock_guard lock(mutex_);
    if (entries_.size() >= k_max_entries) return 0;
    made->id = next_++;
    entries_.emplace(made->id, made);
    return made->id;
}

void schedule::erase(std::uint64_t id) {
    std::shared_ptr<entry> last;  // destroyed outside of the lock
    std::lock_guard lock(mutex_);
    if (auto found = entries_.find(id); found != entries_.end()) {
        last = std::move(found->second);
        entries_.erase(found);
    }
}

sigrun_result schedule::add_timer(schedule_count owner, std::uint64_t delay_ns, std::uint64_t period_ns, sigrun_fn fn,
                                  void* ctx, std::uint64_t& id) {
    auto made = std::make_shared<entry>(std::move(owner));
    made->timer.emplace(io_, span_of(delay_ns));
    made->period = span_of(period_ns);
    made->on_time = fn;
    made->ctx = ctx;
    std::uint64_t made_id = insert(made);
    if (!made_id) return SIGRUN_E_BUSY;
    id = made_id;
    asio::post(io_, [this, made] { arm_timer(made); });
    return SIGRUN_OK;
}

void schedule::arm_timer(const std::shared_ptr<entry>& e) {
    if (e->stopped) return;
    e->timer->async_wait([this, e](const boost::system::error_code& ec) {
        if (ec || e->stopped) return;
        e->on_time(e->ctx);
        if (e->period.count() == 0) return erase(e->id);
        // From the planned time, so that a period does not drift; after a long stall one run makes up for the
        // missed ones.
        auto now = std::chrono::steady_clock::now();
        e->timer->expires_at(std::max(e->timer->expiry() + e->period, now));
        arm_timer(e);
    });
}

sigrun_result schedule::add_watch(schedule_count owner, std::int32_t fd, std::uint32_t events, watch_fn fn, void* ctx,
                                  std::uint64_t& id) {
    auto made = std::make_shared<entry>(std::move(owner));
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return SIGRUN_E_INVALID;
    boost::system::error_code ec;
    made->descriptor.emplace(io_);
    made->descriptor->assign(copy, ec);
    if (ec) {
        ::close(copy);
        return SIGRUN_E_INVALID;
    }
    made->on_ready = fn;
    made->fd = fd;
    made->ctx = ctx;
    std::uint64_t made_id = insert(made);
    if (!made_id) return SIGRUN_E_BUSY;
    id = made_id;
    asio::post(io_, [this, made, events] {
        for (std::uint32_t event : {SIGRUN_FD_READ, SIGRUN_FD_WRITE})
            if (events & event) arm_watch(made, event);
    });
    return SIGRUN_OK;
}

void schedule::arm_watch(const std::shared_ptr<entry>& e, std::uint32_t event) {
    if (e->stopped) return;
    auto kind =
        event == SIGRUN_FD_READ ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
    e->descriptor->async_wait(kind, [this, e, event](const boost::system::error_code& ec) {
        if (ec || e->stopped) return;
        e->on_ready(e->ctx, e->fd, event);
        arm_watch(e, event);
    });
}

void schedule::end(entry& e) {
    if (e.timer) e.timer->cancel();
    boost::system::error_code ignored;
    if (e.descriptor) e.descriptor->close(ignored);
    erase(e.id);
}

sigrun_result schedule::stop(std::uint64_t id, sigrun_fn done, void* done_ctx) {
    std::shared_ptr<entry> found;
    {
        std::lock_guard lock(mutex_);
        if (id == 0 || id >= next_) return SIGRUN_E_NOT_FOUND;
        if (auto at = entries_.find(id); at != entries_.end()) found = at->second;
    }
    if (found) found->stopped = true;
    asio::post(io_, [this, found, done, done_ctx] {
        if (found) end(*found);
        if (done) done(done_ctx);
    });
    return SIGRUN_OK;
}

}  // namespace sigrun
