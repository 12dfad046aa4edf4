// How much disk the files below a folder take, looked at again and again.
//
// A look walks through the folder, so the time between two grows with what one takes: at most a twentieth of the time is spent
// on them, and a job can be over its limit for about a fifth of a second, longer in a large tree. Single-threaded.
#pragma once

#include <chrono>
#include <cstdint>

namespace sigrun::shim {

/// Bytes of disk below `path`, a file with several names once; other file systems are not entered, links not followed.
std::uint64_t disk_usage(const char* path);

class workspace_watch {
public:
    using clock = std::chrono::steady_clock;
    /// `limit` 0: there is nothing to watch.
    workspace_watch(const char* path, std::uint64_t limit) : path_(path), limit_(limit) {}

    bool active() const noexcept { return limit_ > 0; }
    clock::time_point next() const noexcept { return next_; }
    /// Looks now. True: it is over the limit.
    bool look();
    /// The largest that was seen.
    std::uint64_t peak() const noexcept { return peak_; }

private:
    const char* path_;
    std::uint64_t limit_;
    std::uint64_t peak_ = 0;
    clock::time_point next_ = clock::now();
};

}  // namespace sigrun::shim
