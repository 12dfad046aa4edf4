// Cuts a byte stream into frames, whatever its split points: checks lengths, flags and checksums, skips
// unknown types, unrolls BATCH, joins the pieces of large messages. One per connection and direction; not
// thread-safe. A frame that lies completely in the given bytes is neither copied nor allocated for.
#pragma once

#include "byte_buffer.hpp"
#include "wire.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::valkyrie {

struct reader_limits {
    std::uint32_t max_frame = k_max_hello;  // largest `length` field
    std::uint32_t max_message = k_max_message;
    bool crc = false;  // every frame outside a BATCH must carry a checksum
};

/// What receives frames. The body is borrowed for the call; header.length is its size, without checksum.
/// False ends the reading for good.
class frame_handler {
public:
    virtual bool on_frame(const frame_header& header, std::string_view body) = 0;

protected:
    ~frame_handler() = default;
};

class frame_reader {
public:
    /// May be changed inside on_frame; holds from the next frame on.
    reader_limits limits;

    /// A refusal is final: feed nothing more.
    refusal feed(std::string_view bytes, frame_handler& handler);
    /// True in the middle of a frame or of a message in pieces.
    bool unfinished() const noexcept { return !partial_.empty() || skip_ || !assemblies_.empty(); }

private:
    struct assembly {
        frame_header header;
        std::string body;
    };
    refusal check(const frame_header& header) const noexcept;
    refusal whole(const frame_header& header, std::string_view body, frame_handler& handler);
    refusal plain(const frame_header& header, std::string_view body, frame_handler& handler);
    refusal batch(std::string_view body, frame_handler& handler);
    refusal piece(const frame_header& header, std::string_view body, std::size_t found, frame_handler& handler);

    byte_buffer partial_;
    std::size_t skip_ = 0;
    bool stopped_ = false;
    std::vector<assembly> assemblies_;
};

}  // namespace sigrun::valkyrie
