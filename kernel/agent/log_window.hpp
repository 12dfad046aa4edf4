// The log bytes of one attempt that the controller has not stored yet. Pure; not thread-safe.
//
// Invariants: pieces are in order without gap; acked <= first piece's offset <= next piece to send <= total;
// total - acked <= capacity.
#pragma once

#include "kernel/plugin/buffer.hpp"

#include <cstdint>
#include <deque>

namespace sigrun {

struct window_piece {
    std::uint64_t offset = 0;  // of its first byte
    std::uint32_t stream = 0;
    std::uint64_t time_ns = 0;
    buffer_ref content;
    std::uint64_t end() const noexcept { return offset + content.view().size(); }
};

class log_window {
public:
    explicit log_window(std::uint64_t capacity) : capacity_(capacity) {}

    /// False: the window is full, keep the piece. A piece always fits an empty window.
    bool add(std::uint32_t stream, std::uint64_t time_ns, sigrun_buf* content);
    /// The next piece that was not sent, or null.
    const window_piece* next() const noexcept { return sent_ < pieces_.size() ? &pieces_[sent_] : nullptr; }
    void sent() noexcept { ++sent_; }
    /// The piece that was counted as sent last was not.
    void unsent() noexcept {
        if (sent_ > 0) --sent_;
    }
    /// Everything below `offset` is stored at the other end.
    void acked(std::uint64_t offset);
    /// A new connection: send again from `offset` on. Below what is still here it begins with what there is.
    void resume(std::uint64_t offset);
    /// The window begins here, and everything before it is stored at the other end. Only while it is empty.
    void begin_at(std::uint64_t offset) noexcept {
        if (pieces_.empty()) total_ = acked_ = offset;
    }
    /// The other end wants nothing more.
    void drop();

    std::uint64_t total() const noexcept { return total_; }
    std::uint64_t unacked() const noexcept { return total_ - acked_; }
    bool all_sent() const noexcept { return sent_ == pieces_.size(); }

private:
    void cut_front(std::uint64_t offset);
    std::uint64_t capacity_;
    std::uint64_t total_ = 0;
    std::uint64_t acked_ = 0;
    std::size_t sent_ = 0;
    std::deque<window_piece> pieces_;
};

}  // namespace sigrun
