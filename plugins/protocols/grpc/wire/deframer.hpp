// The messages of a gRPC stream: one byte "compressed", four bytes length (big-endian), the message. Pure.
#pragma once

#include "wire/status.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::grpc {

class deframer {
public:
    explicit deframer(std::size_t max_message) : max_(max_message) {}

    /// Calls `take` for each message that is complete, until it returns false. A status: the bytes are wrong, or the
    /// message is too large; nothing more can be read.
    std::optional<status> feed(std::string_view bytes, const std::function<bool(std::string)>& take);
    /// In the middle of a message.
    bool unfinished() const noexcept { return !head_.empty(); }
    /// Bytes kept of an unfinished message.
    std::size_t kept() const noexcept { return body_.size(); }

private:
    std::size_t max_;
    std::string head_;
    std::size_t wanted_ = 0;
    std::string body_;
};

/// One message as it goes over the wire.
std::string framed(std::string_view message);
/// `build` appends the message behind the head it leaves room for.
template <class Message>
std::string framed_message(const Message& message) {
    const auto size = message.ByteSizeLong();
    std::string out(5 + size, '\0');
    for (int i = 0; i < 4; ++i) out[static_cast<std::size_t>(4 - i)] = static_cast<char>(size >> (8 * i) & 255);
    message.SerializeWithCachedSizesToArray(reinterpret_cast<unsigned char*>(out.data() + 5));
    return out;
}

}  // namespace sigrun::grpc
