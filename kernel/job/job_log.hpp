// The output of one job, of its attempts one after another.
//
// Offsets count the bytes that the attempts wrote, also those that are not kept: an offset means the same for ever, and after a
// restart. Each attempt has the limit to itself: half of it for how it began, half for how it ended. What lies between is given
// up piece by piece, an eighth of the limit at a time, and can be told as a gap.
//
// Parts of one attempt: the one it began in, then at most k_tail_parts, of which the oldest is removed when another one is
// needed. The beginning of an attempt goes on in the file where the one before ended, if that had no tail: most jobs have two
// files in all. Thread-safe.
#pragma once

#include "kernel/job/log_part.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace sigrun {

/// Where a log begins.
enum class log_home {
    files,
    memory  // as long as it is small: it is lost with the process, as the job is
};

/// Bytes of a log that are not kept.
struct log_gap {
    std::uint64_t offset = 0, bytes = 0;
};

/// What a reader has to know of a part at this moment.
struct log_part_view {
    std::uint64_t begin = 0, end = 0, entries = 0;
    std::string path;                   // of its files without their endings; empty: in memory, as follows
    std::string bytes;                  // all of it
    std::vector<log_segment> segments;  // as many as `entries`
};

class job_log {
public:
    static constexpr std::size_t k_most_in_memory = 4096;
    static constexpr std::size_t k_most_segments_in_memory = 64;
    static constexpr std::size_t k_tail_parts = 4;

    /// Files are <path>.log and .idx, and those in <path>.parts/. `limit` is that of each attempt, in bytes.
    job_log(std::string path, std::uint64_t limit, log_home home);
    /// Stores bytes that begin at `offset` of the current attempt. Bytes already stored are skipped; a gap is refused, but for
    /// an attempt that was resumed. After an error what was stored before it counts, and the rest is to be sent again.
    /// Returns the new end of the attempt. [any] copies into the page cache, which does not wait for the disk.
    result<std::uint64_t> append(std::uint64_t offset, std::uint32_t stream, std::uint64_t time_ns,
                                 std::string_view bytes);
    /// The same for an attempt that another one may overtake meanwhile: refused as cancelled when it is not `turn` any more.
    result<std::uint64_t> append(std::uint32_t turn, std::uint64_t offset, std::uint32_t stream, std::uint64_t time_ns,
                                 std::string_view bytes);
    /// Whose turn it is: another number with each attempt that begins.
    std::uint32_t turn() const;
    /// A new attempt begins where the log ends.
    void begin_attempt();
    /// The same, with what another log has of it so far; gaps stay gaps. Returns where it begins. What that log has must not
    /// change meanwhile. [work]
    result<std::uint64_t> begin_attempt_with(const std::shared_ptr<const job_log>& other);
    /// After a restart: the running attempt began at this offset.
    void resume_attempt(std::uint64_t base);
    /// Offset of the current attempt that the runner should continue from.
    std::uint64_t attempt_offset() const;
    /// The same, of what a crash of the machine leaves.
    std::uint64_t synced_offset() const;
    /// The end of the log.
    std::uint64_t size() const;
    /// What is not kept of the bytes before size(), in order.
    std::vector<log_gap> gaps() const;

    /// Waits for the disk: all that was appended before survives a crash of the machine. A log in memory has nothing to
    /// wait for. [work]
    result<void> sync();
    /// Whether sync would have nothing to do.
    bool synced() const;
    /// Everything before `size` was brought to the disk by other means.
    void note_synced(std::uint64_t size);

    /// The part that has the byte at `offset`, or else the first one after it; nothing: no byte is kept from there on.
    std::optional<log_part_view> part_from(std::uint64_t offset) const;
    /// All of them, in order.
    std::vector<log_part_view> parts() const;
    /// `notify` runs after each append until the handle is destroyed. Called without locks held.
    std::shared_ptr<void> follow(std::function<void()> notify);
    void finish();  // no more appends: closes the descriptors, wakes followers
    void erase();   // removes the files

private:
    result<std::uint64_t> append_locked(std::uint64_t offset, std::uint32_t stream, std::uint64_t time_ns,
                                        std::string_view bytes);
    void take_up_parts();
    log_part_view view_of(const log_part& part) const;
    log_part_view early_view() const;
    bool stays_in_memory(std::string_view bytes) const;
    result<void> move_to_files();
    std::uint64_t room_in(const log_part& part) const;
    log_part& part_to_write();
    std::string parts_folder() const { return path_ + ".parts"; }
    void wake();

    const std::string path_;
    const std::uint64_t limit_;
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<log_part>> parts_;  // in files
    std::uint64_t end_ = 0, base_ = 0;              // of the log, and where the attempt began
    std::uint64_t entries_before_ = 0;              // of earlier attempts, in the part where this one began
    std::uint32_t turn_ = 0;                        // attempts that have begun in this life of the process
    bool resumed_ = false;                          // the attempt began in an earlier life of this process
    bool in_memory_;                                // nothing is in files: it is here
    std::string early_;
    std::vector<log_segment> early_segments_;
    std::vector<std::weak_ptr<std::function<void()>>> followers_;
};

}  // namespace sigrun
