#include "wire/outbox.hpp"

namespace sigrun::http {
namespace {
constexpr std::size_t k_log_room = std::size_t{1} << 20;
constexpr std::size_t k_room = std::size_t{8} << 20;
constexpr std::size_t k_largest = std::size_t{15} << 20;  // below the default max_body of a peer
}  // namespace

sigrun_result outbox::push(wire_frame frame) {
    if (kind_name(frame.kind).empty()) return SIGRUN_E_INVALID;
    std::lock_guard lock(mutex_);
    if (bytes_ > (frame.kind == SIGRUN_LOG ? k_log_room : k_room)) return SIGRUN_E_BUSY;
    frame.seq = last_ + 1;
    auto text = encode_frame(frame);
    if (text.size() > k_largest) return SIGRUN_E_INVALID;
    bytes_ += text.size();
    entries_.push_back({frame.seq, std::move(text)});
    ++last_;
    return SIGRUN_OK;
}

void outbox::acknowledge(std::uint64_t seq) {
    std::lock_guard lock(mutex_);
    while (!entries_.empty() && entries_.front().seq <= seq) {
        bytes_ -= entries_.front().text.size();
        entries_.pop_front();
    }
}

std::string outbox::array_after(std::uint64_t seq, std::size_t max_bytes) const {
    std::lock_guard lock(mutex_);
    std::string out = "[";
    for (const auto& e : entries_) {
        if (e.seq <= seq) continue;
        if (out.size() > 1 && out.size() + e.text.size() > max_bytes) break;
        if (out.size() > 1) out += ",\n";
        out += e.text;
    }
    out += "]";
    return out;
}

bool outbox::has_after(std::uint64_t seq) const {
    std::lock_guard lock(mutex_);
    return !entries_.empty() && entries_.back().seq > seq;
}
bool outbox::empty() const {
    std::lock_guard lock(mutex_);
    return entries_.empty();
}
std::size_t outbox::bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
}
std::uint64_t outbox::last() const {
    std::lock_guard lock(mutex_);
    return last_;
}

}  // namespace sigrun::http
