#include "spool_writer.hpp"

#include <sigrun/cpp/spool.hpp>

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sigrun::shim {
namespace {

// Below this a piece costs more than it moves; the room grows soon.
constexpr std::uint64_t k_worth_while = 4096;
// A ring that was used up to here begins anew when it is empty, so that a job that is read as fast as it writes stays in the
// same few pages.
constexpr std::uint64_t k_rewind = 256 * 1024;

bool put(int fd, const void* bytes, std::size_t n, std::uint64_t at) {
    const char* from = static_cast<const char*>(bytes);
    while (n > 0) {
        ssize_t done = ::pwrite(fd, from, n, static_cast<off_t>(at));
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        from += done;
        at += static_cast<std::uint64_t>(done);
        n -= static_cast<std::size_t>(done);
    }
    return true;
}

}  // namespace

bool spool_writer::open() {
    sigrun_spool_head head{};
    if (::pread(fd_, &head, sizeof head, 0) != static_cast<ssize_t>(sizeof head)) return false;
    if (std::memcmp(head.magic, SIGRUN_SPOOL_MAGIC, sizeof head.magic) != 0 || !sdk::sealed(head.nonce, head))
        return false;
    nonce_ = head.nonce;
    capacity_ = head.capacity;
    return capacity_ >= 2 * k_worth_while && write_mark();
}

std::uint64_t spool_writer::room() const noexcept {
    auto left = capacity_ - (head_ - tail_);
    return left < k_worth_while ? 0 : left - sizeof(sigrun_spool_record);
}

bool spool_writer::append(std::uint32_t stream, std::uint64_t time_ns, std::string_view piece) {
    sigrun_spool_record record{static_cast<std::uint32_t>(piece.size()), stream, offset_, time_ns, 0, 0};
    sdk::seal(nonce_, record, piece);
    auto size = sizeof record + piece.size();
    if (head_ + size - marked_ > capacity_ && !write_mark()) return false;
    auto at = (head_ - base_) % capacity_;
    if (at + size <= capacity_) {
        iovec parts[2] = {{&record, sizeof record}, {const_cast<char*>(piece.data()), piece.size()}};
        ssize_t n = 0;
        do n = ::pwritev(fd_, parts, 2, static_cast<off_t>(SIGRUN_SPOOL_RING + at));
        while (n < 0 && errno == EINTR);
        if (n < 0) return false;
        // A disk that is nearly full takes a part.
        if (static_cast<std::size_t>(n) != size &&
            !(write_at(head_, {reinterpret_cast<char*>(&record), sizeof record}) &&
              write_at(head_ + sizeof record, piece)))
            return false;
    } else if (!write_at(head_, {reinterpret_cast<char*>(&record), sizeof record}) ||
               !write_at(head_ + sizeof record, piece)) {
        return false;
    }
    head_ += size;
    offset_ += piece.size();
    return true;
}

bool spool_writer::write_at(std::uint64_t position, std::string_view bytes) const {
    auto at = (position - base_) % capacity_;
    auto first = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), capacity_ - at));
    return put(fd_, bytes.data(), first, SIGRUN_SPOOL_RING + at) &&
           put(fd_, bytes.data() + first, bytes.size() - first, SIGRUN_SPOOL_RING);
}

bool spool_writer::write_mark() {
    sigrun_spool_mark mark{tail_, tail_offset_, base_, ::getpid(), 0};
    sdk::seal(nonce_, mark);
    if (!put(fd_, &mark, sizeof mark, SIGRUN_SPOOL_MARK)) return false;
    marked_ = tail_;
    return true;
}

void spool_writer::free_up_to(std::uint64_t position, std::uint64_t offset) {
    if (position <= tail_ || position > head_ || offset > offset_) return;
    tail_ = position;
    tail_offset_ = offset;
    if (tail_ != head_ || head_ - base_ < k_rewind) return;
    auto before = std::exchange(base_, head_);
    if (!write_mark()) base_ = before;
}

void spool_writer::measured(const sigrun_shim_measured& what) const {
    sigrun_spool_measured part{what, 0, 0};
    sdk::seal(nonce_, part);
    put(fd_, &part, sizeof part, SIGRUN_SPOOL_MEASURED);
}

void spool_writer::stepped(std::uint32_t step, const sigrun_shim_stepped& how) const {
    sigrun_spool_stepped part{how, step, 0};
    sdk::seal(nonce_, part);
    put(fd_, &part, sizeof part, static_cast<off_t>(SIGRUN_SPOOL_RING + capacity_ + step * sizeof part));
}

bool spool_writer::close(const sigrun_shim_exited& how) const {
    sigrun_spool_end end{how, 0, 0};
    sdk::seal(nonce_, end);
    return put(fd_, &end, sizeof end, SIGRUN_SPOOL_END);
}

}  // namespace sigrun::shim
