// Messages that wait to be written on one connection, in order. Bounded by whoever adds: bulk (log output, streamed replies,
// large documents) is refused early, so that small frames still find room. Guarded by the connection's mutex.
#pragma once

#include "wire/message.hpp"

#include <deque>
#include <utility>

namespace sigrun::websocket {

class outbox {
public:
    void add(packed m) {
        bytes_ += m.bytes.size();
        waiting_.push_back(std::move(m));
    }
    bool empty() const noexcept { return waiting_.empty(); }
    /// The next one is being written from now on; it counts until written().
    packed take() {
        auto m = std::move(waiting_.front());
        waiting_.pop_front();
        writing_ = m.bytes.size();
        return m;
    }
    void written() noexcept { bytes_ -= std::exchange(writing_, 0); }
    void clear() {
        waiting_.clear();
        bytes_ = writing_;
    }
    std::size_t bytes() const noexcept { return bytes_; }

private:
    std::deque<packed> waiting_;
    std::size_t bytes_ = 0;
    std::size_t writing_ = 0;
};

}  // namespace sigrun::websocket
