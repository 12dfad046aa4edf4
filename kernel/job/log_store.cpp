#include "kernel/job/log_store.hpp"

#include "kernel/job/log_syncer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sigrun {
namespace {

problem io_problem(const std::string& path, const char* what) {
    return {errc::io, std::string(what) + " " + path + ": " + std::strerror(errno)};
}

// Whole write at `at`, or errno and the file as long as it was; regular files only.
bool write_all(int fd, const char* p, std::size_t n, std::uint64_t at) {
    const auto end = static_cast<off_t>(at);
    while (n) {
        ssize_t done = ::pwrite(fd, p, n, static_cast<off_t>(at));
        if (done < 0) {
            if (errno == EINTR) continue;
            int why = errno;
            [[maybe_unused]] int cut = ::ftruncate(fd, end);
            errno = why;
            return false;
        }
        p += done;
        at += static_cast<std::uint64_t>(done);
        n -= static_cast<std::size_t>(done);
    }
    return true;
}

}  // namespace

job_log::job_log(std::string path, std::uint64_t cap, log_home home)
    : path_(std::move(path)), cap_(cap), in_memory_(home == log_home::memory) {
    if (in_memory_) return;
    // The index decides: bytes that a crash left without an entry are written over.
    struct stat st {};
    if (::stat((path_ + ".log").c_str(), &st) != 0) return;
    int fd = ::open((path_ + ".idx").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    const off_t entries = ::lseek(fd, 0, SEEK_END) / static_cast<off_t>(sizeof(log_segment));
    log_segment last;
    const auto at = (entries - 1) * static_cast<off_t>(sizeof last);
    if (entries > 0 && ::pread(fd, &last, sizeof last, at) == static_cast<ssize_t>(sizeof last))
        size_ = base_ = std::min(last.offset + last.length, static_cast<std::uint64_t>(st.st_size));
    ::close(fd);
}

job_log::~job_log() { close_files(); }

void job_log::close_files() {
    if (data_ >= 0) ::close(data_);
    if (index_ >= 0) ::close(index_);
    data_ = index_ = -1;
}

result<void> job_log::open_for_writing() {
    if (data_ >= 0) return {};
    load();
    std::error_code ec;
    std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), ec);
    data_ = ::open((path_ + ".log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (data_ < 0) return io_problem(path_ + ".log", "cannot open");
    index_ = ::open((path_ + ".idx").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (index_ < 0) return io_problem(path_ + ".idx", "cannot open");
    return {};
}

result<void> job_log::move_to_files() {
    loaded_ = true;  // what there is stands in segments_
    SIGRUN_CHECK_OK(open_for_writing());
    if (!write_all(data_, early_.data(), early_.size(), 0) ||
        !write_all(index_, reinterpret_cast<const char*>(segments_.data()), segments_.size() * sizeof(log_segment),
                   0)) {
        auto why = io_problem(path_, "cannot write the log");
        close_files();
        return why;
    }
    in_memory_ = false;
    early_ = {};
    return {};
}

// Segments of an earlier life of this process. Under the lock, or before the object is shared.
void job_log::load() const {
    auto& me = const_cast<job_log&>(*this);
    if (loaded_ || in_memory_) return;
    me.loaded_ = true;
    int fd = ::open((path_ + ".idx").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    std::array<log_segment, 1024> some;
    std::uint64_t end = 0;
    // An entry that was torn by a crash ends what can be read.
    auto fits = [&](const log_segment& s) { return s.offset == end && s.offset + s.length <= size_; };
    for (bool more = true; more;) {
        const ssize_t n = ::read(fd, some.data(), sizeof some);  // less than that only at the end of the file
        more = n == static_cast<ssize_t>(sizeof some);
        const auto count = static_cast<std::size_t>(std::max<ssize_t>(n, 0)) / sizeof(log_segment);
        for (std::size_t i = 0; i < count; ++i) {
            if (!fits(some[i])) {
                more = false;
                break;
            }
            me.segments_.push_back(some[i]);
            end += some[i].length;
        }
    }
    ::close(fd);
}

result<std::uint64_t> job_log::append(std::uint64_t offset, std::uint32_t stream, std::uint64_t time_ns,
                                      std::string_view bytes) {
    std::uint64_t durable = 0;
    {
        std::lock_guard lock(mutex_);
        std::uint64_t have = size_ - base_ + dropped_;
        if (offset > have) {
            // How much of an attempt was dropped at the cap is not remembered over a restart, and a crash of the machine
            // may have taken bytes that were acknowledged. The runner has no older bytes: what it sends next counts.
            if (!resumed_)
                return bad_value("offset", "a log offset up to " + std::to_string(have), std::to_string(offset));
            dropped_ += offset - have;
            have = offset;
        }
        std::uint64_t known = have - offset;
        if (known >= bytes.size()) return have;
        bytes.remove_prefix(static_cast<std::size_t>(known));
        std::size_t room =
            size_ >= cap_ ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(cap_ - size_, bytes.size()));
        const std::uint64_t cut = bytes.size() - room;
        dropped_ += cut;
        bytes = bytes.substr(0, room);
        if (!bytes.empty()) {
            const bool small = in_memory_ && early_.size() + bytes.size() <= k_most_in_memory &&
                               segments_.size() < k_most_segments_in_memory;
            if (auto opened = small ? result<void>() : in_memory_ ? move_to_files() : open_for_writing(); !opened) {
                dropped_ -= cut;
                return opened.error();
            }
            log_segment s{size_, static_cast<std::uint32_t>(bytes.size()), stream, time_ns};
            if (small) {
                early_ += bytes;
            } else if (!write_all(data_, bytes.data(), bytes.size(), size_) ||
                       // Bytes without an entry in the index are nobody's: the next append writes over them.
                       !write_all(index_, reinterpret_cast<const char*>(&s), sizeof s, segments_.size() * sizeof s)) {
                dropped_ -= cut;
                return io_problem(path_, "cannot write the log");
            }
            segments_.push_back(s);
            size_ += bytes.size();
        }
        durable = size_ - base_ + dropped_;
    }
    wake();
    return durable;
}

void job_log::begin_attempt() {
    std::lock_guard lock(mutex_);
    base_ = size_;
    dropped_ = 0;
    resumed_ = false;
}

void job_log::resume_attempt(std::uint64_t base) {
    std::lock_guard lock(mutex_);
    base_ = std::min(base, size_);
    resumed_ = true;
}

std::uint64_t job_log::attempt_base() const {
    std::lock_guard lock(mutex_);
    return base_;
}

std::uint64_t job_log::attempt_offset() const {
    std::lock_guard lock(mutex_);
    return size_ - base_ + dropped_;
}

std::uint64_t job_log::synced_offset() const {
    std::lock_guard lock(mutex_);
    // Bytes that were dropped at the cap come after all others, and are nowhere.
    if (in_memory_ || synced_ >= size_) return size_ - base_ + dropped_;
    return synced_ > base_ ? synced_ - base_ : 0;
}

bool job_log::synced() const {
    std::lock_guard lock(mutex_);
    return in_memory_ || synced_ >= size_;
}

void job_log::note_synced(std::uint64_t size) {
    std::lock_guard lock(mutex_);
    synced_ = std::max(synced_, size);
    name_synced_ = true;
}

result<void> job_log::sync() {
    std::uint64_t size = 0;
    bool named = false;
    int data = -1, index = -1;
    {
        std::lock_guard lock(mutex_);
        if (in_memory_ || synced_ >= size_) return {};
        size = size_;
        named = name_synced_;
        // Its own descriptors: the log may be finished meanwhile.
        data = ::open((path_ + ".log").c_str(), O_RDONLY | O_CLOEXEC);
        index = ::open((path_ + ".idx").c_str(), O_RDONLY | O_CLOEXEC);
    }
    result<void> done;
    if (data < 0 || index < 0 || ::fdatasync(data) != 0 || ::fdatasync(index) != 0)
        done = io_problem(path_, "cannot sync the log");
    if (data >= 0) ::close(data);
    if (index >= 0) ::close(index);
    if (done && !named) {
        const auto folder = std::filesystem::path(path_).parent_path();
        const int at = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (at < 0 || ::fsync(at) != 0) done = io_problem(folder.string(), "cannot sync");
        if (at >= 0) ::close(at);
    }
    if (done) note_synced(size);
    return done;
}

bool job_log::full() const {
    std::lock_guard lock(mutex_);
    return size_ >= cap_;
}

std::uint64_t job_log::size() const {
    std::lock_guard lock(mutex_);
    return size_;
}

std::vector<log_segment> job_log::segments_from(std::uint64_t offset, std::size_t bytes, std::size_t most) const {
    std::lock_guard lock(mutex_);
    load();
    std::vector<log_segment> out;
    auto it = std::upper_bound(segments_.begin(), segments_.end(), offset,
                               [](std::uint64_t o, const log_segment& s) { return o < s.offset + s.length; });
    for (std::size_t total = 0; it != segments_.end() && total < bytes && out.size() < most; ++it) {
        auto s = *it;
        if (s.offset < offset) {
            s.length -= static_cast<std::uint32_t>(offset - s.offset);
            s.offset = offset;
        }
        total += s.length;
        out.push_back(s);
    }
    return out;
}

std::shared_ptr<void> job_log::follow(std::function<void()> notify) {
    auto handle = std::make_shared<std::function<void()>>(std::move(notify));
    std::lock_guard lock(mutex_);
    followers_.erase(std::remove_if(followers_.begin(), followers_.end(), [](const auto& w) { return w.expired(); }),
                     followers_.end());
    followers_.push_back(handle);
    return handle;
}

void job_log::wake() {
    std::vector<std::shared_ptr<std::function<void()>>> call;
    {
        std::lock_guard lock(mutex_);
        for (const auto& w : followers_)
            if (auto f = w.lock()) call.push_back(std::move(f));
    }
    for (const auto& f : call) (*f)();
}

bool job_log::read_from_memory(const log_segment& which, char* into) const {
    std::lock_guard lock(mutex_);
    if (!in_memory_ || which.offset + which.length > early_.size()) return false;
    early_.copy(into, which.length, static_cast<std::size_t>(which.offset));
    return true;
}

void job_log::finish() {
    {
        std::lock_guard lock(mutex_);
        close_files();
        if (!in_memory_) {
            segments_.clear();
            loaded_ = false;
        }
        segments_.shrink_to_fit();
    }
    wake();
}

void job_log::erase() {
    {
        std::lock_guard lock(mutex_);
        if (in_memory_) return;
    }
    ::unlink((path_ + ".log").c_str());
    ::unlink((path_ + ".idx").c_str());
}

log_store::log_store(std::string dir, std::uint64_t cap_bytes)
    : dir_(std::move(dir)), cap_(cap_bytes), syncer_(std::make_unique<log_syncer>(dir_)) {}

log_store::~log_store() = default;

std::shared_ptr<job_log> log_store::open(const id& job, log_home home) const {
    auto text = job.text();
    return std::make_shared<job_log>(dir_ + "/" + text.substr(34, 2) + "/" + text, cap_, home);
}

std::size_t log_store::remove_unknown(const std::function<bool(const id&)>& known) const {
    namespace fs = std::filesystem;
    std::size_t removed = 0;
    std::error_code ec;
    for (fs::recursive_directory_iterator it(dir_, ec), end; !ec && it != end; it.increment(ec)) {
        auto name = it->path().stem().string();
        auto kind = it->path().extension();
        if (kind != ".log" && kind != ".idx") continue;
        auto uid = id::parse(name);
        if (!uid || known(*uid)) continue;
        std::error_code failed;
        removed += fs::remove(it->path(), failed) && kind == ".log";
    }
    return removed;
}

}  // namespace sigrun
