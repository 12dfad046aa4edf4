// Reads one log from any offset on, with descriptors of its own: beside appends it takes the log's lock for a look at its parts
// alone. What it has begun to read it reads on when the part is given up meanwhile. Not thread-safe.
#pragma once

#include "kernel/job/job_log.hpp"
#include "kernel/plugin/buffer.hpp"

#include <limits>

namespace sigrun {

struct log_piece {
    log_segment at;
    buffer_ref content;         // empty where bytes are missing
    std::uint64_t missing = 0;  // so many bytes from `at.offset` on are not kept

    std::uint64_t end() const noexcept { return at.offset + (missing ? missing : content.view().size()); }
};

class log_reader {
public:
    static constexpr std::uint64_t k_no_end = std::numeric_limits<std::uint64_t>::max();

    explicit log_reader(std::shared_ptr<const job_log> log) : log_(std::move(log)) {}
    /// Up to about 64 KiB from `offset`, cut at segments and at `until`; a gap is one piece. Empty at the end.
    result<std::vector<log_piece>> read(std::uint64_t offset, std::uint64_t until = k_no_end);

    /// Where the first entry begins that came at this time (wall clock) or later; the end if none did. A clock that was set
    /// back meanwhile makes it a guess. Costs a few small reads for each part.
    result<std::uint64_t> first_since(std::uint64_t time_ns);
    /// Where the last `lines` lines between `from` and `to` begin; the last need not be ended. Reads backwards, no more than
    /// these lines, in pieces of 64 KiB.
    result<std::uint64_t> last_lines(std::uint64_t lines, std::uint64_t from, std::uint64_t to);

private:
    bool covers(std::uint64_t offset) const noexcept { return offset >= part_.begin && offset < part_.end; }
    result<bool> take(log_part_view next);
    result<void> find(std::uint64_t offset);
    result<void> segments_at(std::uint64_t entry, std::vector<log_segment>& out) const;
    result<log_segment> segment_at(std::uint64_t entry) const;
    result<std::vector<log_piece>> read_part(std::uint64_t offset, std::uint64_t until);
    result<void> bytes_at(std::uint64_t offset, char* to, std::size_t n) const;
    problem broken(const char* what) const;

    const std::shared_ptr<const job_log> log_;
    log_part_view part_;  // the one that is open
    unique_fd data_, index_;
    std::uint64_t entry_ = 0;  // where the last read ended
};

}  // namespace sigrun
