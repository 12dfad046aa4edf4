// Timers and descriptor watches of plugins, on the io lane. That lane has one thread, so when a stop runs
// there, no callback of the same timer is running.
#pragma once

#include <sigrun/host.h>

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace sigrun {

/// Counts what of one plugin generation is still scheduled.
using schedule_count = std::shared_ptr<std::atomic<std::int64_t>>;

class schedule {
public:
    using watch_fn = void (*)(void* ctx, std::int32_t fd, std::uint32_t events);

    explicit schedule(boost::asio::io_context& io) : io_(io) {}
    ~schedule();
    /// All [any]. Ids are never used again; id is written before the first callback can run. At most 65,536
    /// entries: E_BUSY = full.
    sigrun_result add_timer(schedule_count owner, std::uint64_t delay_ns, std::uint64_t period_ns, sigrun_fn fn,
                            void* ctx, std::uint64_t& id);
    /// Works on a duplicate of fd, so that two watches of one descriptor do not disturb each other.
    /// E_INVALID: not a descriptor that can be waited for; E_BUSY: full.
    sigrun_result add_watch(schedule_count owner, std::int32_t fd, std::uint32_t events, watch_fn fn, void* ctx,
                            std::uint64_t& id);
    /// done runs on the io lane, also for an entry that has ended by itself. E_NOT_FOUND: such an id was
    /// never given out; then done is not called.
    sigrun_result stop(std::uint64_t id, sigrun_fn done, void* done_ctx);

    struct entry;

private:
    std::uint64_t insert(const std::shared_ptr<entry>& made);
    void erase(std::uint64_t id);
    void end(entry& e);
    void arm_timer(const std::shared_ptr<entry>& e);
    void arm_watch(const std::shared_ptr<entry>& e, std::uint32_t event);

    boost::asio::io_context& io_;
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, std::shared_ptr<entry>> entries_;
    std::uint64_t next_ = 1;
};

}  // namespace sigrun
