#include "kernel/agent/log_window.hpp"

#include <algorithm>

namespace sigrun {

bool log_window::add(std::uint32_t stream, std::uint64_t time_ns, sigrun_buf* content) {
    auto shared = buffer_ref::share(content);
    std::uint64_t size = shared.view().size();
    if (size == 0) return true;
    if (unacked() > 0 && unacked() + size > capacity_) return false;
    pieces_.push_back({total_, stream, time_ns, std::move(shared)});
    total_ += size;
    return true;
}

// Drops whole pieces below `offset` and the beginning of the one it lies in.
void log_window::cut_front(std::uint64_t offset) {
    while (!pieces_.empty() && pieces_.front().end() <= offset) {
        pieces_.pop_front();
        if (sent_ > 0) --sent_;
    }
    if (pieces_.empty() || pieces_.front().offset >= offset) return;
    auto& first = pieces_.front();
    auto rest = first.content.view().substr(static_cast<std::size_t>(offset - first.offset));
    first = {offset, first.stream, first.time_ns, buffer_ref::copy_of(rest)};
}

void log_window::acked(std::uint64_t offset) {
    offset = std::min(offset, total_);
    if (offset <= acked_) return;
    acked_ = offset;
    // A piece that is stored in part stays whole while it may be on its way: only a resume needs the exact cut.
    while (!pieces_.empty() && pieces_.front().end() <= offset) {
        pieces_.pop_front();
        if (sent_ > 0) --sent_;
    }
}

void log_window::resume(std::uint64_t offset) {
    acked(offset);
    cut_front(std::min(offset, total_));
    sent_ = 0;
}

void log_window::drop() {
    pieces_.clear();
    sent_ = 0;
    acked_ = total_;
}

}  // namespace sigrun
