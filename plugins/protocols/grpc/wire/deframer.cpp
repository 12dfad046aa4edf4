#include "wire/deframer.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <utility>

namespace sigrun::grpc {

namespace {
constexpr std::size_t k_head = 5;
}

std::optional<status> deframer::feed(std::string_view bytes, const std::function<bool(std::string)>& take) {
    for (;;) {
        if (head_.size() < k_head) {
            const auto n = std::min(k_head - head_.size(), bytes.size());
            head_.append(bytes.substr(0, n));
            bytes.remove_prefix(n);
            if (head_.size() < k_head) return std::nullopt;
            wanted_ = 0;
            for (std::size_t i = 1; i < k_head; ++i) wanted_ = wanted_ << 8 | static_cast<unsigned char>(head_[i]);
            if (head_[0] == 1)
                return status{code::unimplemented, "grpc-encoding: only uncompressed messages are taken here", {}};
            if (head_[0] != 0) return status{code::internal, "a message begins with a byte other than 0 and 1", {}};
            if (wanted_ > max_)
                return status{code::resource_exhausted,
                              sdk::concat("message: expected at most ", max_, " bytes (max_message), found ", wanted_),
                              {}};
        }
        const auto n = std::min(wanted_ - body_.size(), bytes.size());
        body_.append(bytes.substr(0, n));
        bytes.remove_prefix(n);
        if (body_.size() < wanted_) return std::nullopt;
        head_.clear();
        if (!take(std::exchange(body_, {}))) return std::nullopt;
    }
}

std::string framed(std::string_view message) {
    std::string out(k_head, '\0');
    for (std::size_t i = 0; i < 4; ++i) out[4 - i] = static_cast<char>(message.size() >> (8 * i) & 255);
    out += message;
    return out;
}

}  // namespace sigrun::grpc
