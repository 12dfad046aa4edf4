#include "log_pieces.hpp"

#include <algorithm>

namespace sigrun::container {
namespace {

constexpr std::size_t k_head = 8;  // the stream, three zeros, the length with the high byte first

}  // namespace

void log_pieces::hand_on(std::uint32_t stream, std::string_view bytes, const taker& take) {
    while (!bytes.empty()) {
        take(stream, bytes.substr(0, SIGRUN_LOG_MAX));
        bytes.remove_prefix(std::min<std::size_t>(bytes.size(), SIGRUN_LOG_MAX));
    }
}

bool log_pieces::add(std::string_view bytes, const taker& take) {
    if (terminal_) {
        hand_on(SIGRUN_STREAM_STDOUT, bytes, take);
        return true;
    }
    while (!bytes.empty()) {
        if (left_ == 0) {
            const auto n = std::min(bytes.size(), k_head - head_.size());
            head_.append(bytes.substr(0, n));
            bytes.remove_prefix(n);
            if (head_.size() < k_head) return true;
            const auto at = [this](std::size_t i) {
                return static_cast<std::uint64_t>(static_cast<unsigned char>(head_[i]));
            };
            if (at(0) > 2 || at(1) || at(2) || at(3)) return false;
            stream_ = at(0) == 2 ? SIGRUN_STREAM_STDERR : SIGRUN_STREAM_STDOUT;
            left_ = at(4) << 24 | at(5) << 16 | at(6) << 8 | at(7);
            head_.clear();
            continue;
        }
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
        hand_on(stream_, bytes.substr(0, n), take);
        left_ -= n;
        bytes.remove_prefix(n);
    }
    return true;
}

}  // namespace sigrun::container
