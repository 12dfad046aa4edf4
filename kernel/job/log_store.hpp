// The output of jobs: one file per attempt under <state>/logs, with an index of segments, and readers that follow.
//
// append is [any]: it copies into the page cache (write(2) to a regular file), which does not wait for the disk; what a crash of
// the machine must not take is brought there by sync, which a log_syncer calls for many logs. The few bytes
// that most jobs print need no file if the job itself is in memory alone: making and removing two files costs more than the job.
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

/// Where a log begins.
enum class log_home {
    files,
    memory  // as long as it is small: it is lost with the process, as the job is
};

/// The log of one job (of its attempts, one after another). Thread-safe.
class job_log {
public:
    static constexpr std::size_t k_most_in_memory = 4096;
    static constexpr std::size_t k_most_segments_in_memory = 64;

    job_log(std::string path, std::uint64_t cap, log_home home);
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
    /// The same, of what a crash of the machine leaves.
    std::uint64_t synced_offset() const;
    std::uint64_t size() const;
    /// No more is kept.
    bool full() const;
    /// Waits for the disk: all that was appended before survives a crash of the machine. A log in memory has nothing to
    /// wait for. [work]
    result<void> sync();
    /// Whether sync would have nothing to do.
    bool synced() const;
    /// Its first bytes, so many, were brought to the disk by other means.
    void note_synced(std::uint64_t size);
    /// The segments from `offset` on (the first may begin within one), until they are `bytes` or more, or `most`.
    std::vector<log_segment> segments_from(std::uint64_t offset, std::size_t bytes, std::size_t most) const;
    std::string data_path() const { return path_ + ".log"; }
    /// Bytes of a segment while the log is in memory; false when it is in its file.
    bool read_from_memory(const log_segment& which, char* into) const;
    /// `notify` runs after each append until the handle is destroyed. Called without locks held.
    std::shared_ptr<void> follow(std::function<void()> notify);
    void finish();  // no more appends: closes the descriptors, wakes followers
    void erase();   // removes the files

private:
    result<void> open_for_writing();
    result<void> move_to_files();
    void close_files();
    const std::string path_;
    const std::uint64_t cap_;
    mutable std::mutex mutex_;
    int data_ = -1, index_ = -1;
    std::uint64_t size_ = 0, base_ = 0, dropped_ = 0;
    std::uint64_t synced_ = 0;  // bytes that are on the disk
    bool name_synced_ = false;  // and so are the files' names
    bool in_memory_;            // nothing is in files
    std::string early_;
    bool resumed_ = false;               // the attempt began in an earlier life of this process
    std::vector<log_segment> segments_;  // while running; read back from the index afterwards
    bool loaded_ = false;
    std::vector<std::weak_ptr<std::function<void()>>> followers_;
    void load() const;
    void wake();
};

class log_syncer;

class log_store {
public:
    /// Files go to <dir>/<last two digits of the id>/<id>.{log,idx}.
    explicit log_store(std::string dir, std::uint64_t cap_bytes);
    ~log_store();
    std::shared_ptr<job_log> open(const id& job, log_home home = log_home::files) const;
    /// For logs that are opened from now on.
    void set_cap(std::uint64_t bytes) noexcept { cap_.store(bytes, std::memory_order_relaxed); }
    /// Removes the logs of jobs that nobody knows any more. Returns how many.
    std::size_t remove_unknown(const std::function<bool(const id&)>& known) const;
    log_syncer& syncer() const noexcept { return *syncer_; }

private:
    std::string dir_;
    std::atomic<std::uint64_t> cap_;
    std::unique_ptr<log_syncer> syncer_;
};

}  // namespace sigrun
