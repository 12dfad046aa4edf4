// Frames on their way to the peer of a session over HTTP: numbered from 1, kept until acknowledged, so that a
// lost request or response loses none. Bounded. Thread-safe; calls nobody.
#pragma once

#include "wire/frame_codec.hpp"

#include <sigrun/base.h>

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

namespace sigrun::http {

class outbox {
public:
    /// Numbers and keeps a frame. E_BUSY: full (logs early, so that control frames still find room);
    /// E_INVALID: a single frame too large for any peer, or a kind that has no name here.
    sigrun_result push(wire_frame frame);
    /// The peer has processed everything up to `seq`.
    void acknowledge(std::uint64_t seq);
    /// A JSON array of the frames after `seq`, at least one if there is any, else at most `max_bytes`.
    std::string array_after(std::uint64_t seq, std::size_t max_bytes) const;
    bool has_after(std::uint64_t seq) const;
    bool empty() const;
    std::size_t bytes() const;
    std::uint64_t last() const;  // number of the newest frame ever pushed

private:
    struct entry {
        std::uint64_t seq;
        std::string text;
    };
    mutable std::mutex mutex_;
    std::deque<entry> entries_;
    std::size_t bytes_ = 0;
    std::uint64_t last_ = 0;
};

}  // namespace sigrun::http
