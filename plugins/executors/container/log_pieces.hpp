// The output of a container as an engine sends it: frames of a stream's number and a length, or plain bytes where it has a
// terminal. Pure.
#pragma once

#include <sigrun/base.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace sigrun::container {

class log_pieces {
public:
    /// `terminal`: there are no frames.
    explicit log_pieces(bool terminal) : terminal_(terminal) {}

    /// Hands on what `bytes` holds of the two streams, in pieces of at most SIGRUN_LOG_MAX. False: this is no output of a
    /// container.
    using taker = std::function<void(std::uint32_t stream, std::string_view piece)>;
    bool add(std::string_view bytes, const taker& take);

private:
    static void hand_on(std::uint32_t stream, std::string_view bytes, const taker& take);
    bool terminal_;
    std::string head_;  // a part of one
    std::uint32_t stream_ = 0;
    std::uint64_t left_ = 0;  // of the frame
};

}  // namespace sigrun::container
