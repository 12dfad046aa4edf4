#include "spool_file.hpp"

#include <sigrun/base.h>
#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/spool.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun::process {
namespace {

constexpr const char* k_name = "spool";
// Room can be given back in steps of this size: one entry per record would take more than the records.
constexpr std::uint64_t k_step = 16 * 1024;
// What an attempt before left allocated is kept for the next one up to this size.
constexpr off_t k_keep = 1024 * 1024;

[[noreturn]] void os_failure(std::string_view what) {
    throw sdk::failure(SIGRUN_E_IO, sdk::concat(what, ": ", std::strerror(errno)));
}

template <class Part>
bool read_part(int fd, std::uint64_t at, Part& to) {
    return ::pread(fd, &to, sizeof to, static_cast<off_t>(at)) == static_cast<ssize_t>(sizeof to);
}

descriptor open_spool(const descriptor& folder) {
    descriptor file(folder ? ::openat(folder.get(), k_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
                           : ::memfd_create("sigrun-spool", MFD_CLOEXEC));
    if (!file) os_failure("no spool for the job's output");
    return file;
}

}  // namespace

descriptor make_spool(const descriptor& folder, std::string_view token, std::uint64_t capacity,
                      const std::string& group) {
    descriptor file = open_spool(folder);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        // The folder is used again, and who wrote the file before is not quite gone: let him keep it.
        if (folder && ::unlinkat(folder.get(), k_name, 0) == 0) file = open_spool(folder);
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) os_failure("the spool is still in use");
    }
    struct stat about {};
    if (::fstat(file.get(), &about) == 0 && about.st_size > k_keep && ::ftruncate(file.get(), SIGRUN_SPOOL_RING) != 0)
        os_failure("the spool of an earlier attempt cannot be emptied");
    char page[SIGRUN_SPOOL_RING] = {};
    sigrun_spool_head head{};
    std::memcpy(head.magic, SIGRUN_SPOOL_MAGIC, sizeof head.magic);
    head.nonce = sdk::spool_nonce(token);
    head.capacity = capacity;
    if (!group.empty() && group.size() < sizeof head.group) {
        head.grouped = 1;
        std::memcpy(head.group, group.data(), group.size());
    }
    sdk::seal(head.nonce, head);
    std::memcpy(page, &head, sizeof head);
    if (::pwrite(file.get(), page, sizeof page, 0) != static_cast<ssize_t>(sizeof page))
        os_failure("the spool of the job's output cannot be written");
    return file;
}

std::optional<found_spool> find_spool(const descriptor& folder, std::string_view token) {
    found_spool found;
    found.file = descriptor(::openat(folder.get(), k_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    sigrun_spool_head head{};
    if (!found.file || !read_part(found.file.get(), 0, head)) return std::nullopt;
    const auto nonce = sdk::spool_nonce(token);
    if (std::memcmp(head.magic, SIGRUN_SPOOL_MAGIC, sizeof head.magic) != 0 || head.nonce != nonce ||
        !sdk::sealed(nonce, head) || head.capacity == 0)
        return std::nullopt;
    found.capacity = head.capacity;
    head.group[sizeof head.group - 1] = 0;
    if (head.grouped) found.group = head.group;
    // Asked first: what is read afterwards is then at least as new as the answer.
    found.locked = ::flock(found.file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    sigrun_spool_mark mark{};
    if (read_part(found.file.get(), SIGRUN_SPOOL_MARK, mark) && sdk::sealed(nonce, mark)) found.mark = mark;
    found.end = end_in(found.file, token);
    return found;
}

std::optional<sigrun_shim_exited> end_in(const descriptor& spool, std::string_view token) {
    sigrun_spool_end end{};
    if (!read_part(spool.get(), SIGRUN_SPOOL_END, end) || !sdk::sealed(sdk::spool_nonce(token), end))
        return std::nullopt;
    return end.exited;
}

std::optional<sigrun_shim_measured> measured_in(const descriptor& spool, std::string_view token) {
    sigrun_spool_measured part{};
    if (!read_part(spool.get(), SIGRUN_SPOOL_MEASURED, part) || !sdk::sealed(sdk::spool_nonce(token), part))
        return std::nullopt;
    return part.measured;
}

std::vector<sigrun_shim_stepped> steps_in(const descriptor& spool, std::string_view token, std::uint64_t capacity,
                                          std::size_t from) {
    std::vector<sigrun_shim_stepped> ended;
    for (;; ++from) {
        sigrun_spool_stepped part{};
        if (!read_part(spool.get(), SIGRUN_SPOOL_RING + capacity + from * sizeof part, part) ||
            !sdk::sealed(sdk::spool_nonce(token), part) || part.step != from)
            return ended;
        ended.push_back(part.stepped);
    }
}

void spool_reader::begin_at(const sigrun_spool_mark& mark) {
    base_ = mark.base;
    position_ = free_position_ = mark.position;
    offset_ = free_offset_ = mark.offset;
}

bool spool_reader::read_at(std::uint64_t position, char* to, std::size_t n) const {
    while (n > 0) {
        auto at = (position - base_) % capacity_;
        auto part = static_cast<std::size_t>(std::min<std::uint64_t>(n, capacity_ - at));
        ssize_t got = ::pread(file_, to, part, static_cast<off_t>(SIGRUN_SPOOL_RING + at));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        to += got;
        position += static_cast<std::uint64_t>(got);
        n -= static_cast<std::size_t>(got);
    }
    return true;
}

bool spool_reader::peek(sigrun_spool_record& out) const {
    return read_at(position_, reinterpret_cast<char*>(&out), sizeof out) && out.length > 0 &&
           out.length <= SIGRUN_LOG_MAX && out.offset == offset_;
}

bool spool_reader::read(const sigrun_spool_record& record, char* to) const {
    return read_at(position_ + sizeof record, to, record.length) && sdk::sealed(nonce_, record, {to, record.length});
}

void spool_reader::step_over(const sigrun_spool_record& record) {
    position_ += sizeof record + record.length;
    offset_ += record.length;
    auto before = unstored_.size() > 1 ? unstored_[unstored_.size() - 2].offset : free_offset_;
    if (!unstored_.empty() && offset_ - before < k_step)
        unstored_.back() = {offset_, position_};
    else
        unstored_.push_back({offset_, position_});
}

void spool_reader::stored(std::uint64_t offset) {
    while (!unstored_.empty() && unstored_.front().offset <= offset) {
        free_position_ = unstored_.front().position;
        free_offset_ = unstored_.front().offset;
        unstored_.pop_front();
    }
}

}  // namespace sigrun::process
