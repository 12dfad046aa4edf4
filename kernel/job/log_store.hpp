// The output of jobs: one file per attempt under <state>/logs, with an index of segments, and readers that follow.
//
// append is [any]: it copies into the page cache (write(2) to a regular file), which does not wait for the disk.
// A file is capped; what comes after the cap is counted, not kept.
#pragma once

#include "kernel/base/id.hpp"
#include "kernel/base/result.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// A run of bytes of one stream.
struct log_segment {
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    std::uint32_t stream = 0;
    std::uint64_t time_ns = 0;  // wall clock
};
struct log_piece {
    log_segment at;
    std::string bytes;
};

/// The log of one job (of its attempts, one after another). Thread-safe.
class job_log {
public:
    job_log(std::string path, std::uint64_t cap);
    ~job_log();
    /// Stores bytes that begin at `offset` of the current attempt. Bytes already stored are skipped; a gap is refused,
    /// but for an attempt that was resumed. After an error nothing of it is stored.
    /// Returns the new durable offset of the attempt.
    result<std::uint64_t> append(std::uint64_t offset, std::uint32_t stream, std::uint64_t time_ns,
                                 std::string_view bytes);
    /// A new attempt begins: its offset 0 is the current end of the file.
    void begin_attempt();
    /// After a restart: the running attempt began at this offset of the file.
    void resume_attempt(std::uint64_t base);
    std::uint64_t attempt_base() const;
    /// Offset of the current attempt that the runner should continue from.
    std::uint64_t attempt_offset() const;
    std::uint64_t size() const;
    /// Up to about 64 KiB from `offset`, cut at segments; empty at the end.
    result<std::vector<log_piece>> read(std::uint64_t offset) const;
    /// `notify` runs after each append until the handle is destroyed. Called without locks held.
    std::shared_ptr<void> follow(std::function<void()> notify);
    void finish();  // no more appends: closes the descriptors, wakes followers
    void erase();   // removes the files

private:
    result<void> open_for_writing();
    const std::string path_;
    const std::uint64_t cap_;
    mutable std::mutex mutex_;
    int data_ = -1, index_ = -1;
    std::uint64_t size_ = 0, base_ = 0, dropped_ = 0;
    bool resumed_ = false;               // the attempt began in an earlier life of this process
    std::vector<log_segment> segments_;  // while running; read back from the index afterwards
    bool loaded_ = false;
    std::vector<std::weak_ptr<std::function<void()>>> followers_;
    void load() const;
    void wake();
};

class log_store {
public:
    /// Files go to <dir>/<last two digits of the id>/<id>.{log,idx}.
    explicit log_store(std::string dir, std::uint64_t cap_bytes);
    std::shared_ptr<job_log> open(const id& job) const;
    /// For logs that are opened from now on.
    void set_cap(std::uint64_t bytes) noexcept { cap_.store(bytes, std::memory_order_relaxed); }
    /// Removes the logs of jobs that nobody knows any more. Returns how many.
    std::size_t remove_unknown(const std::function<bool(const id&)>& known) const;

private:
    std::string dir_;
    std::atomic<std::uint64_t> cap_;
};

}  // namespace sigrun
