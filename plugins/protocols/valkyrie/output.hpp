// What waits to be written on one connection, and in which order it goes: control frames first, then pieces
// of bulk. Pure: no I/O, no lock of its own (the connection's mutex guards it).
//
// Order: control frames keep their order; each bulk lane keeps its order; control overtakes bulk. A frame
// that must not overtake an earlier bulk frame (same attempt, same call) is put into the same lane behind it.
#pragma once

#include "byte_buffer.hpp"
#include "wire.hpp"

#include <cstdint>
#include <deque>
#include <unordered_map>

namespace sigrun::valkyrie {

enum class lane { session, calls };

class output {
public:
    output(std::size_t soft_limit, std::size_t hard_limit) : soft_(soft_limit), hard_(hard_limit) {}

    /// Append encoded frames of at most k_piece body bytes here.
    byte_buffer& control() noexcept { return control_; }
    /// Moves one encoded frame of any size to a bulk lane, cut into pieces. `key`: see holds(). `charged`:
    /// waits for log credit.
    void add_bulk(lane where, const byte_buffer& frame, std::uint64_t key, bool charged);
    /// Moves the frame that was just appended to control() at `from` to a bulk lane.
    void demote(std::size_t from, lane where, std::uint64_t key, bool charged);
    /// Does the session lane still hold a frame with this key (0: never)?
    bool holds(std::uint64_t key) const noexcept { return key && !keys_.empty() && keys_.count(key); }

    /// Forgets everything that waits.
    void clear();
    bool holds_any() const noexcept { return !keys_.empty(); }

    void set_crc(bool on) noexcept { crc_ = on; }
    void grant_log(std::uint64_t bytes) noexcept { log_credit_ += static_cast<std::int64_t>(bytes); }
    std::int64_t log_credit() const noexcept { return log_credit_; }

    std::size_t queued() const noexcept { return control_.size() + session_.bytes.size() + calls_.bytes.size(); }
    /// Bulk is refused from here on.
    bool full() const noexcept { return queued() >= soft_; }
    bool roomy() const noexcept { return queued() < soft_ / 2; }
    /// The peer takes not even control frames any more.
    bool stuck() const noexcept { return control_.size() > hard_; }

    /// Moves what goes next into the empty `wire`: all control frames and about one piece of bulk. False:
    /// nothing may.
    bool fill(byte_buffer& wire);

private:
    struct entry {
        std::uint32_t size;
        bool charged;       // costs log credit
        bool opens;         // first piece of its message: waits until there is credit
        std::uint64_t key;  // on the last piece
    };
    struct queue {
        byte_buffer bytes;
        std::deque<entry> entries;
    };
    void put(queue& q, std::string_view frame, std::uint64_t key, bool charged);
    bool may_go(const queue& q) const noexcept;
    void take(queue& q, byte_buffer& wire);
    void take_control(byte_buffer& wire);

    const std::size_t soft_;
    const std::size_t hard_;
    byte_buffer control_;
    queue session_;
    queue calls_;
    bool calls_turn_ = false;
    bool crc_ = false;
    std::int64_t log_credit_ = 0;
    std::unordered_map<std::uint64_t, std::uint32_t> keys_;
};

}  // namespace sigrun::valkyrie
