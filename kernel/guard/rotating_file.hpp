// A file that lines are added to, for its owner alone, and that is put aside when it is full. [any]
#pragma once

#include "kernel/guard/private_file.hpp"

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace sigrun {

class rotating_file {
public:
    /// Beyond `most` bytes FILE becomes FILE.1, and older ones move up; of those at most `keep` are left.
    static result<rotating_file> open(std::string path, std::uint64_t most, std::uint32_t keep);
    rotating_file(rotating_file&& other) noexcept;

    /// Adds the line and its end in one write. A problem: it is not, or not wholly, there.
    result<void> add(std::string_view line);

private:
    rotating_file(std::string path, std::uint64_t most, std::uint32_t keep)
        : path_(std::move(path)), most_(most), keep_(keep) {}
    result<void> reopen();
    result<void> rotate();

    std::string path_;
    std::uint64_t most_;
    std::uint32_t keep_;
    std::mutex mutex_;
    owned_fd fd_;
    std::uint64_t size_ = 0;
};

}  // namespace sigrun
