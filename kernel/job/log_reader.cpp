#include "kernel/job/log_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::size_t k_batch_bytes = 64 * 1024;
constexpr std::size_t k_batch_pieces = 256;

}  // namespace

result<std::vector<log_piece>> log_reader::read(std::uint64_t offset) {
    std::vector<log_piece> out;
    const auto segments = log_->segments_from(offset, k_batch_bytes, k_batch_pieces);
    if (segments.empty()) return out;
    auto io_problem = [&] {
        return problem{errc::io, "cannot read " + log_->data_path() + ": " + std::strerror(errno)};
    };
    out.reserve(segments.size());
    for (const auto& s : segments) {
        log_piece piece{s, buffer_ref::with_capacity(s.length)};
        auto* buf = piece.content.get();
        if (!file_ && log_->read_from_memory(s, buf->bytes())) {
            buf->length = s.length;
            out.push_back(std::move(piece));
            continue;
        }
        if (!file_) {
            file_ = unique_fd(::open(log_->data_path().c_str(), O_RDONLY | O_CLOEXEC));
            if (!file_) return io_problem();
        }
        const ssize_t n = ::pread(file_.get(), buf->bytes(), s.length, static_cast<off_t>(s.offset));
        if (n < 0) return io_problem();
        if (static_cast<std::uint32_t>(n) < s.length)
            return problem{errc::io, log_->data_path() + " is shorter than its index says"};
        buf->length = static_cast<std::uint64_t>(n);
        out.push_back(std::move(piece));
    }
    return out;
}

}  // namespace sigrun
