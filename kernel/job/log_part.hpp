// One stretch of a log without a gap: a file of bytes, and a file of fixed entries that say which stream they are of and when
// they came. Both are only appended to, so that a reader with descriptors of its own needs no lock, and what it has opened stays
// readable when the files are removed.
//
// Nothing of the entries is kept in memory: who looks for one searches the file. Bytes of one stream that come within
// k_together of each other share an entry, and entries are limited, so that a job that writes byte by byte does not fill the
// disk with them. Not thread-safe.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/net/unique_fd.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// A run of bytes of one stream, as it stands in the file of entries.
struct log_segment {
    std::uint64_t offset = 0;  // in the log of the job
    std::uint32_t length = 0;
    std::uint32_t stream = 0;
    std::uint64_t time_ns = 0;  // wall clock of the first byte
};

class log_part {
public:
    static constexpr std::uint32_t k_longest_segment = 64 * 1024;
    static constexpr std::uint64_t k_together_ns = 10'000'000;

    /// Files are <path>.log and <path>.idx; `begin` is the offset of its first byte in the log.
    log_part(std::string path, std::uint64_t begin) : path_(std::move(path)), begin_(begin) {}

    /// Takes up what an earlier life left there. Bytes without an entry, as a crash leaves them, are nobody's: the next append
    /// writes over them. False: there is nothing.
    bool look();
    /// All or nothing: after an error the part is as it was.
    result<void> append(std::uint32_t stream, std::uint64_t time_ns, std::string_view bytes);
    /// The same for bytes whose entries are given, in an empty part.
    result<void> begin_with(std::string_view bytes, const std::vector<log_segment>& segments);
    /// The next append begins an entry.
    void part_ways() noexcept { joins_ = false; }
    void close() noexcept {
        data_.reset();
        index_.reset();
    }
    void erase();

    const std::string& path() const noexcept { return path_; }
    std::string data_path() const { return path_ + ".log"; }
    std::string index_path() const { return path_ + ".idx"; }
    std::uint64_t begin() const noexcept { return begin_; }
    std::uint64_t end() const noexcept { return begin_ + size_; }
    std::uint64_t size() const noexcept { return size_; }
    std::uint64_t entries() const noexcept { return entries_; }

    /// Up to where it is on the disk, and whether its names are.
    std::uint64_t synced() const noexcept { return begin_ + synced_; }
    bool named() const noexcept { return synced_ > 0; }
    void note_synced(std::uint64_t end) noexcept {
        if (end > begin_) synced_ = std::max(synced_, std::min(end - begin_, size_));
    }

private:
    result<void> open_for_writing();

    const std::string path_;
    const std::uint64_t begin_;
    std::uint64_t size_ = 0, synced_ = 0, entries_ = 0;
    log_segment last_;
    bool joins_ = false;  // last_ may grow
    unique_fd data_, index_;
};

}  // namespace sigrun
