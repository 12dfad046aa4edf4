// A file without a name in the folder that is measured: it is gone when it is closed, however the process ends.
#pragma once

#include <sigrun/cpp/text.hpp>

#include <cstdint>
#include <string>

namespace sigrun::benchmark {

class scratch_file {
public:
    /// In `folder`. On failure the file is not open, and error() says why.
    explicit scratch_file(const std::string& folder);
    ~scratch_file();
    scratch_file(const scratch_file&) = delete;
    scratch_file& operator=(const scratch_file&) = delete;

    int fd() const noexcept { return fd_; }
    int error() const noexcept { return error_; }
    /// Past the page cache from now on. False: the file system does not do that.
    bool go_direct(void* block, std::size_t size);
    /// Its file system makes a file without a name durable when it is asked to. btrfs does nothing then.
    bool syncs() const noexcept;

private:
    int fd_ = -1;
    int error_ = 0;
};

/// The folder itself, or the nearest one above it that exists.
std::string existing_folder(std::string path);
/// "No space left on device"
std::string error_text(int error);

}  // namespace sigrun::benchmark
