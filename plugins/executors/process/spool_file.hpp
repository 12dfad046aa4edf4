// The executor's end of a spool (sigrun/shim.h): makes one, finds one again, reads what the shim wrote.
#pragma once

#include "descriptor.hpp"

#include <sigrun/shim.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::process {

/// A fresh spool, locked. In `folder` if there is one, else in memory. Throws sdk::failure.
descriptor make_spool(const descriptor& folder, std::string_view token, std::uint64_t capacity,
                      const std::string& group);

/// What a spool says of its attempt when it is found again.
struct found_spool {
    descriptor file;
    std::uint64_t capacity = 0;
    std::string group;                      // path; empty: none
    bool locked = false;                    // its shim lives
    std::optional<sigrun_spool_mark> mark;  // missing: no shim has begun to work on it
    std::optional<sigrun_shim_exited> end;
};
/// Nothing: there is no spool of the attempt with this token. Look again while it is locked and has no mark.
std::optional<found_spool> find_spool(const descriptor& folder, std::string_view token);
/// How the attempt with this token ended, once that is in its spool.
std::optional<sigrun_shim_exited> end_in(const descriptor& spool, std::string_view token);
/// What it used, if its shim said so.
std::optional<sigrun_shim_measured> measured_in(const descriptor& spool, std::string_view token);

/// How its steps ended, those that have, from `from` on.
std::vector<sigrun_shim_stepped> steps_in(const descriptor& spool, std::string_view token, std::uint64_t capacity,
                                          std::size_t from);

/// Reads records in order. One thread.
class spool_reader {
public:
    spool_reader() = default;
    spool_reader(int file, std::uint64_t nonce, std::uint64_t capacity)
        : file_(file), nonce_(nonce), capacity_(capacity) {}
    /// Where to go on, from a mark.
    void begin_at(const sigrun_spool_mark& mark);
    void set_base(std::uint64_t base) noexcept { base_ = base; }

    /// The record at the position, without its piece. False: there is none, or it is damaged.
    bool peek(sigrun_spool_record& out) const;
    /// Its piece. False: damaged.
    bool read(const sigrun_spool_record& record, char* to) const;
    void step_over(const sigrun_spool_record& record);

    std::uint64_t position() const noexcept { return position_; }
    std::uint64_t offset() const noexcept { return offset_; }
    std::uint64_t base() const noexcept { return base_; }

    /// The log is stored elsewhere up to here.
    void stored(std::uint64_t offset);
    /// The records before it are not needed any more.
    std::uint64_t free_position() const noexcept { return free_position_; }
    std::uint64_t free_offset() const noexcept { return free_offset_; }

private:
    bool read_at(std::uint64_t position, char* to, std::size_t n) const;
    /// Ends of records that were read and not stored, some records apart.
    struct step {
        std::uint64_t offset, position;
    };

    int file_ = -1;
    std::uint64_t nonce_ = 0;
    std::uint64_t capacity_ = 0;
    std::uint64_t base_ = 0;
    std::uint64_t position_ = 0, offset_ = 0;
    std::uint64_t free_position_ = 0, free_offset_ = 0;
    std::deque<step> unstored_;
};

}  // namespace sigrun::process
