#include "kernel/job/log_part.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sigrun {
namespace {

problem no_write(const std::string& path, const char* what) {
    return {errc::io, std::string(what) + " " + path + ": " + std::strerror(errno)};
}

// Whole write at `at`, or errno and the file as long as it was (`end`); regular files only.
bool write_all(int fd, const char* p, std::size_t n, std::uint64_t at, std::uint64_t end) {
    while (n) {
        const ssize_t done = ::pwrite(fd, p, n, static_cast<off_t>(at));
        if (done < 0) {
            if (errno == EINTR) continue;
            const int why = errno;
            [[maybe_unused]] const int cut = ::ftruncate(fd, static_cast<off_t>(end));
            errno = why;
            return false;
        }
        p += done;
        at += static_cast<std::uint64_t>(done);
        n -= static_cast<std::size_t>(done);
    }
    return true;
}

const char* raw(const log_segment& s) noexcept { return reinterpret_cast<const char*>(&s); }

}  // namespace

bool log_part::look() {
    struct stat data {};
    if (::stat(data_path().c_str(), &data) != 0) return false;
    const unique_fd index(::open(index_path().c_str(), O_RDONLY | O_CLOEXEC));
    if (!index) return false;
    const auto there = static_cast<std::uint64_t>(std::max<off_t>(::lseek(index.get(), 0, SEEK_END), 0));
    entries_ = there / sizeof(log_segment);
    // What a crash tore stands at the end.
    for (; entries_ > 0; --entries_) {
        const auto at = static_cast<off_t>((entries_ - 1) * sizeof last_);
        if (::pread(index.get(), &last_, sizeof last_, at) != static_cast<ssize_t>(sizeof last_)) continue;
        if (last_.offset < begin_ || last_.offset - begin_ >= static_cast<std::uint64_t>(data.st_size)) continue;
        size_ = std::min(last_.offset - begin_ + last_.length, static_cast<std::uint64_t>(data.st_size));
        last_.length = static_cast<std::uint32_t>(size_ - (last_.offset - begin_));
        break;
    }
    return size_ > 0;
}

result<void> log_part::open_for_writing() {
    if (data_) return {};
    std::error_code ec;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ec);
    unique_fd data(::open(data_path().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
    if (!data) return no_write(data_path(), "cannot open");
    unique_fd index(::open(index_path().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
    if (!index) return no_write(index_path(), "cannot open");
    data_ = std::move(data);
    index_ = std::move(index);
    return {};
}

result<void> log_part::append(std::uint32_t stream, std::uint64_t time_ns, std::string_view bytes) {
    SIGRUN_CHECK_OK(open_for_writing());
    const bool joins = joins_ && last_.stream == stream && last_.length + bytes.size() <= k_longest_segment &&
                       time_ns >= last_.time_ns && time_ns - last_.time_ns <= k_together_ns;
    log_segment s = joins ? last_ : log_segment{end(), 0, stream, time_ns};
    s.length += static_cast<std::uint32_t>(bytes.size());
    const std::uint64_t entry = joins ? entries_ - 1 : entries_;
    if (!write_all(data_.get(), bytes.data(), bytes.size(), size_, size_) ||
        !write_all(index_.get(), raw(s), sizeof s, entry * sizeof s, entries_ * sizeof s))
        return no_write(path_, "cannot write the log");
    last_ = s;
    joins_ = true;
    entries_ = entry + 1;
    size_ += bytes.size();
    return {};
}

result<void> log_part::begin_with(std::string_view bytes, const std::vector<log_segment>& segments) {
    SIGRUN_CHECK_OK(open_for_writing());
    if (!write_all(data_.get(), bytes.data(), bytes.size(), 0, 0) ||
        !write_all(index_.get(), reinterpret_cast<const char*>(segments.data()), segments.size() * sizeof(log_segment),
                   0, 0)) {
        auto why = no_write(path_, "cannot write the log");
        close();
        return why;
    }
    size_ = bytes.size();
    entries_ = segments.size();
    return {};
}

void log_part::erase() {
    close();
    ::unlink(data_path().c_str());
    ::unlink(index_path().c_str());
}

}  // namespace sigrun
