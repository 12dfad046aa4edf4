#include "kernel/job/log_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::size_t k_batch_bytes = 64 * 1024;
constexpr std::size_t k_batch_pieces = 256;

}  // namespace

problem log_reader::broken(const char* what) const {
    return {errc::io, std::string("cannot read ") + part_.path + ".log: " + what};
}

// False: it was given up in this moment.
result<bool> log_reader::take(log_part_view next) {
    const bool same = !next.path.empty() && next.path == part_.path;
    part_ = std::move(next);
    if (same || part_.path.empty()) return true;
    entry_ = 0;
    data_ = unique_fd(::open((part_.path + ".log").c_str(), O_RDONLY | O_CLOEXEC));
    if (data_) index_ = unique_fd(::open((part_.path + ".idx").c_str(), O_RDONLY | O_CLOEXEC));
    if (data_ && index_) return true;
    const auto why = broken(std::strerror(errno));
    const auto now = log_->part_from(part_.begin);
    const bool gone = !now || now->path != part_.path;
    part_ = {};
    if (gone) return false;
    return why;
}

// Reads entries until `out` is full, or there are no more.
result<void> log_reader::segments_at(std::uint64_t entry, std::vector<log_segment>& out) const {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), part_.entries - entry));
    out.resize(n);
    if (part_.path.empty()) {
        std::copy_n(part_.segments.begin() + static_cast<std::ptrdiff_t>(entry), n, out.begin());
    } else {
        const auto size = n * sizeof(log_segment);
        const auto got = ::pread(index_.get(), out.data(), size, static_cast<off_t>(entry * sizeof(log_segment)));
        if (got < 0) return broken(std::strerror(errno));
        if (static_cast<std::size_t>(got) < size) return broken("its index is shorter than it was");
    }
    // The last one may have grown since the part was looked at.
    if (n && out.back().offset + out.back().length > part_.end)
        out.back().length = static_cast<std::uint32_t>(part_.end - out.back().offset);
    return {};
}

result<log_segment> log_reader::segment_at(std::uint64_t entry) const {
    std::vector<log_segment> one(1);
    SIGRUN_CHECK_OK(segments_at(entry, one));
    return one.front();
}

// Leaves entry_ at the segment with the byte at `offset`.
result<void> log_reader::find(std::uint64_t offset) {
    // Who reads on is where he stopped, or at the next one.
    for (const auto guess : {entry_, entry_ + 1}) {
        if (guess >= part_.entries) break;
        SIGRUN_TRY(s, segment_at(guess));
        if (offset < s.offset || offset >= s.offset + s.length) continue;
        entry_ = guess;
        return {};
    }
    std::uint64_t low = 0, high = part_.entries;
    while (high - low > 1) {
        const auto middle = low + (high - low) / 2;
        SIGRUN_TRY(s, segment_at(middle));
        (s.offset <= offset ? low : high) = middle;
    }
    entry_ = low;
    return {};
}

result<void> log_reader::bytes_at(std::uint64_t offset, char* to, std::size_t n) const {
    if (part_.path.empty()) {
        part_.bytes.copy(to, n, static_cast<std::size_t>(offset - part_.begin));
        return {};
    }
    const auto got = ::pread(data_.get(), to, n, static_cast<off_t>(offset - part_.begin));
    if (got < 0) return broken(std::strerror(errno));
    if (static_cast<std::size_t>(got) < n) return broken("it is shorter than its index says");
    return {};
}

result<std::vector<log_piece>> log_reader::read_part(std::uint64_t offset, std::uint64_t until) {
    SIGRUN_CHECK_OK(find(offset));
    std::vector<log_segment> segments(k_batch_pieces);
    SIGRUN_CHECK_OK(segments_at(entry_, segments));
    std::vector<log_piece> out;
    std::size_t total = 0;
    for (auto s : segments) {
        const auto end = std::min(s.offset + s.length, until);
        const auto begin = std::max(s.offset, offset);
        if (begin >= end || total >= k_batch_bytes) break;
        s = {begin, static_cast<std::uint32_t>(end - begin), s.stream, s.time_ns};
        log_piece piece{s, buffer_ref::with_capacity(s.length), 0};
        SIGRUN_CHECK_OK(bytes_at(begin, piece.content.get()->bytes(), s.length));
        piece.content.get()->length = s.length;
        total += s.length;
        out.push_back(std::move(piece));
    }
    if (out.empty()) return broken("its index has a hole");
    entry_ += out.size() - 1;
    return out;
}

result<std::vector<log_piece>> log_reader::read(std::uint64_t offset, std::uint64_t until) {
    for (;;) {
        if (offset >= until) return std::vector<log_piece>{};
        if (covers(offset)) return read_part(offset, until);
        const auto size = log_->size();
        auto next = log_->part_from(offset);
        const auto here = next ? next->begin : size;
        if (here > offset) {
            const auto end = std::min(here, until);
            return std::vector<log_piece>{log_piece{{offset, 0, 0, 0}, {}, end - offset}};
        }
        if (!next) return std::vector<log_piece>{};
        SIGRUN_CHECK_OK(take(std::move(*next)));
    }
}

result<std::uint64_t> log_reader::first_since(std::uint64_t time_ns) {
    for (auto& each : log_->parts()) {
        if (each.entries == 0) continue;
        SIGRUN_TRY(there, take(std::move(each)));
        if (!there) continue;
        SIGRUN_TRY(last, segment_at(part_.entries - 1));
        if (last.time_ns < time_ns) continue;
        std::uint64_t low = 0, high = part_.entries - 1;
        while (low < high) {
            const auto middle = low + (high - low) / 2;
            SIGRUN_TRY(s, segment_at(middle));
            if (s.time_ns < time_ns)
                low = middle + 1;
            else
                high = middle;
        }
        SIGRUN_TRY(first, segment_at(low));
        return first.offset;
    }
    return log_->size();
}

result<std::uint64_t> log_reader::last_lines(std::uint64_t lines, std::uint64_t from, std::uint64_t to) {
    if (lines == 0) return to;
    auto all = log_->parts();
    std::vector<char> block(k_batch_bytes);
    std::uint64_t ends = 0;  // of lines, seen so far
    bool at_end = true;
    for (auto part = all.rbegin(); part != all.rend(); ++part) {
        auto high = std::min(part->end, to);
        const auto low = std::max(part->begin, from);
        if (high <= low) continue;
        SIGRUN_TRY(there, take(std::move(*part)));
        if (!there) break;  // and so are all before it
        while (high > low) {
            const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(high - low, block.size()));
            SIGRUN_CHECK_OK(bytes_at(high - n, block.data(), n));
            for (auto i = n; i-- > 0;) {
                // What ends the last line begins no other.
                if (block[i] == '\n' && !at_end && ++ends == lines) return high - n + i + 1;
                at_end = false;
            }
            high -= n;
        }
    }
    return from;
}

}  // namespace sigrun
