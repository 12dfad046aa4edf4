#include "kernel/guard/rotating_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace sigrun {

rotating_file::rotating_file(rotating_file&& other) noexcept
    : path_(std::move(other.path_)),
      most_(other.most_),
      keep_(other.keep_),
      fd_(std::move(other.fd_)),
      size_(other.size_) {}

result<rotating_file> rotating_file::open(std::string path, std::uint64_t most, std::uint32_t keep) {
    rotating_file out(std::move(path), most, keep);
    SIGRUN_CHECK_OK(out.reopen());
    return out;
}

result<void> rotating_file::reopen() {
    fd_ = owned_fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat about {};
    if (!fd_ || ::fstat(fd_.get(), &about) != 0) return system_problem("cannot open", path_);
    size_ = static_cast<std::uint64_t>(about.st_size);
    return {};
}

result<void> rotating_file::rotate() {
    const auto older = [this](std::uint32_t n) { return path_ + "." + std::to_string(n); };
    if (keep_ == 0) {
        ::unlink(path_.c_str());
        return reopen();
    }
    for (auto n = keep_; n > 1; --n)
        ::rename(older(n - 1).c_str(), older(n).c_str());  // those that are not there yet stay so
    if (::rename(path_.c_str(), older(1).c_str()) != 0) return system_problem("cannot put aside", path_);
    return reopen();
}

result<void> rotating_file::add(std::string_view line) {
    std::string text(line);
    text += '\n';
    std::lock_guard lock(mutex_);
    if (size_ && size_ + text.size() > most_) SIGRUN_CHECK_OK(rotate());
    if (!fd_) SIGRUN_CHECK_OK(reopen());
    const auto n = ::write(fd_.get(), text.data(), text.size());
    if (n > 0) size_ += static_cast<std::uint64_t>(n);
    if (n != static_cast<ssize_t>(text.size())) return system_problem("cannot write to", path_);
    return {};
}

}  // namespace sigrun
