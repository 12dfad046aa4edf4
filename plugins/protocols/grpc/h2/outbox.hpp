// What one stream still has to send, and in which order: control messages first, then bulk. Pure: no lock of its own, the
// connection's mutex guards it.
//
// Order: control keeps its order, bulk keeps its order, control overtakes bulk. A message that must not overtake an earlier
// bulk one (same attempt) is put behind it; `key` tells. A charged one (LOG) waits until there is credit.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

namespace sigrun::grpc {

class outbox {
public:
    /// Messages as they go over the wire, with their five bytes.
    void push(std::string message);
    void push_bulk(std::string message, std::uint64_t key, std::uint64_t charge);
    bool holds(std::uint64_t key) const noexcept { return key && keys_.count(key) > 0; }
    bool holds_any() const noexcept { return !keys_.empty(); }

    void grant(std::uint64_t bytes) noexcept { credit_ += static_cast<std::int64_t>(bytes); }
    std::int64_t credit() const noexcept { return credit_; }

    /// Copies what goes next, at most `room` bytes; 0 = nothing may go now.
    std::size_t take(char* to, std::size_t room);
    bool empty() const noexcept { return bytes_ == 0; }
    std::size_t bytes() const noexcept { return bytes_; }
    void clear();

private:
    struct entry {
        std::string message;
        std::uint64_t key;
        std::uint64_t charge;
    };
    bool next();

    std::deque<std::string> control_;
    std::deque<entry> bulk_;
    std::unordered_map<std::uint64_t, std::uint32_t> keys_;
    std::int64_t credit_ = 0;
    std::string current_;
    std::size_t taken_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace sigrun::grpc
