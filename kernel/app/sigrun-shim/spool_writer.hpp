// The shim's end of a spool (sigrun/shim.h): output goes in while there is room, and at last how the attempt ended.
//
// Plain writes to the page cache: what was written stays when this process or the executor is killed. Single-threaded.
#pragma once

#include <sigrun/shim.h>

#include <cstdint>
#include <string_view>

namespace sigrun::shim {

class spool_writer {
public:
    /// Borrows the descriptor.
    explicit spool_writer(int fd) : fd_(fd) {}
    /// Reads the head and writes the first mark. False: it is no spool, or it cannot be written.
    bool open();

    /// Bytes of a piece that fit; 0 when it is not worth while to write any.
    std::uint64_t room() const noexcept;
    /// False: the disk has no room; nothing counts as written, try again later.
    bool append(std::uint32_t stream, std::uint64_t time_ns, std::string_view piece);
    /// What lies before `position` may be written over. Nonsense is ignored.
    void free_up_to(std::uint64_t position, std::uint64_t offset);
    void measured(const sigrun_shim_measured& what) const;
    void stepped(std::uint32_t step, const sigrun_shim_stepped& how) const;
    /// False: not written.
    bool close(const sigrun_shim_exited& how) const;

    std::uint64_t position() const noexcept { return head_; }
    std::uint64_t base() const noexcept { return base_; }

private:
    bool write_at(std::uint64_t position, std::string_view bytes) const;
    bool write_mark();

    int fd_;
    std::uint64_t nonce_ = 0;
    std::uint64_t capacity_ = 0;
    std::uint64_t base_ = 0;
    std::uint64_t head_ = 0, offset_ = 0;       // end of the records, and of the log
    std::uint64_t tail_ = 0, tail_offset_ = 0;  // of the oldest record that is needed
    std::uint64_t marked_ = 0;                  // the tail that the file knows
};

}  // namespace sigrun::shim
