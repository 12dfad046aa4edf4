#include "kernel/job/artifact_upload.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

namespace sigrun {
namespace {

constexpr std::size_t k_rehash_piece = 256 * 1024;

bool write_at(int fd, std::string_view bytes, std::uint64_t at) {
    while (!bytes.empty()) {
        const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
    return true;
}

// Of one artifact, so that what is left of another one is never taken for its beginning.
std::string part_of(const std::string& upload, const artifact& what) {
    return upload + "-" + what.sha256.substr(0, 16);
}

}  // namespace

artifact_upload::artifact_upload(std::shared_ptr<artifact_store> store, std::string name, artifact_list all,
                                 bool durable, tell_fn tell)
    : store_(std::move(store)),
      path_(store_->partial(name)),
      all_(std::move(all)),
      durable_(durable),
      tell_(std::move(tell)) {}

artifact_upload::~artifact_upload() {
    for (const auto& each : held_) store_->let_go(each);
}

void artifact_upload::begin() {
    bool first = false;
    {
        std::lock_guard lock(mutex_);
        first = !std::exchange(asked_, true);
        queue_.clear();  // of a connection before: the runner goes on from what it is told now
        queued_ = 0;
    }
    if (!first) return schedule();
    store_->when_turn([weak = weak_from_this()](std::shared_ptr<void> turn) {
        const auto self = weak.lock();
        if (!self) return;
        {
            std::lock_guard lock(self->mutex_);
            if (self->discarded_) return;
            self->turn_ = std::move(turn);
        }
        self->schedule();
    });
}

sigrun_result artifact_upload::take(std::uint64_t position, buffer_ref bytes) {
    const auto size = bytes.view().size();
    if (size == 0) return SIGRUN_OK;
    {
        std::lock_guard lock(mutex_);
        if (!turn_ || discarded_) return SIGRUN_OK;  // nobody has asked for it
        if (queued_ + size > k_most_queued) return SIGRUN_E_BUSY;
        queued_ += size;
        queue_.push_back({position, std::move(bytes)});
    }
    schedule();
    return SIGRUN_OK;
}

artifact_set_ptr artifact_upload::finished() {
    {
        std::lock_guard lock(mutex_);
        if (!over_) return nullptr;
    }
    // From there on the store's thread leaves these alone.
    if (held_.size() != all_.size()) return nullptr;
    held_.clear();
    return std::make_shared<const artifact_set>(store_, all_, artifact_set::held_t{});
}

void artifact_upload::discard() {
    {
        std::lock_guard lock(mutex_);
        discarded_ = true;
        queue_.clear();
        queued_ = 0;
    }
    store_->post([self = shared_from_this()] {
        self->file_ = owned_fd();
        if (self->index_ < self->all_.size()) ::unlink(part_of(self->path_, self->all_[self->index_]).c_str());
        std::shared_ptr<void> turn;
        std::lock_guard lock(self->mutex_);
        turn.swap(self->turn_);
    });
}

void artifact_upload::schedule() {
    {
        std::lock_guard lock(mutex_);
        // Before its turn there is nothing to do, and after its end it says so again.
        if ((!turn_ && !over_) || discarded_ || std::exchange(scheduled_, true)) return;
    }
    store_->post([self = shared_from_this()] { self->run(); });
}

void artifact_upload::run() {
    std::deque<piece> some;
    {
        std::lock_guard lock(mutex_);
        scheduled_ = false;
        if (discarded_) return;
        some.swap(queue_);
        queued_ = 0;
    }
    if (!fault_ && index_ < all_.size() && (room_ || check_limits()) && (file_ || go_on()))
        for (const auto& p : some)
            if (!store(p)) break;
    if (fault_ || index_ == all_.size()) {
        std::shared_ptr<void> turn;  // given back after the lock is released
        std::lock_guard lock(mutex_);
        over_ = true;
        turn.swap(turn_);
    }
    tell_({position_, fault_});
}

// Once, with all that is to come.
bool artifact_upload::check_limits() {
    const auto limits = store_->limits();
    for (const auto& each : all_)
        if (each.size > limits.each) {
            fail("resource", "artifact_size",
                 sdk::concat("artifact ", each.name, " has ", format_size(each.size), ", at most ",
                             format_size(limits.each), " are taken (jobs.artifact_limit)"));
            return false;
        }
    if (const auto sum = size_of(all_); sum > limits.per_job) {
        fail("resource", "artifact_size",
             sdk::concat("the artifacts of the job have ", format_size(sum), ", at most ", format_size(limits.per_job),
                         " are taken (jobs.job_artifacts_limit)"));
        return false;
    }
    std::uint64_t to_come = 0;
    std::set<std::string_view> seen;
    for (const auto& each : all_)
        if (seen.insert(each.sha256).second && !store_->has(each)) to_come += each.size;
    auto room = store_->reserve(to_come);
    if (!room) {
        fail("infra_dependency", "artifact_store", room.error().message);
        return false;
    }
    room_ = std::move(*room);
    return true;
}

bool artifact_upload::go_on() {
    while (index_ < all_.size()) {
        const auto& next = all_[index_];
        if (!store_->hold(next)) {
            if (!open_partial(next)) return false;
            if (position_ < begin_ + next.size) return true;
            if (!close_partial()) return false;
            continue;
        }
        held_.push_back(next);
        if (durable_)
            if (auto there = store_->make_durable(next); !there) {
                fail_of_disk(there.error());
                return false;
            }
        begin_ += next.size;
        position_ = begin_;
        ++index_;
    }
    return true;
}

// What an upload of the same attempt has left there before is the beginning of this one, or its hash says otherwise.
bool artifact_upload::open_partial(const artifact& next) {
    file_ = owned_fd(::open(part_of(path_, next).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat about {};
    if (!file_ || ::fstat(file_.get(), &about) != 0) {
        fail_of_disk(system_problem("cannot open", path_));
        return false;
    }
    auto size = static_cast<std::uint64_t>(about.st_size);
    if (size > next.size) size = 0;
    if (static_cast<std::uint64_t>(about.st_size) != size && ::ftruncate(file_.get(), 0) != 0) {
        fail_of_disk(system_problem("cannot write", path_));
        return false;
    }
    hash_.emplace();
    if (!rehash(size)) return false;
    position_ = begin_ + size;
    flushed_ = size;
    return true;
}

bool artifact_upload::rehash(std::uint64_t size) {
    std::string room(k_rehash_piece, '\0');
    for (std::uint64_t at = 0; at < size;) {
        const auto wanted = std::min<std::uint64_t>(room.size(), size - at);
        const ssize_t n = ::pread(file_.get(), room.data(), static_cast<std::size_t>(wanted), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            fail_of_disk(system_problem("cannot read", path_));
            return false;
        }
        hash_->feed({room.data(), static_cast<std::size_t>(n)});
        at += static_cast<std::uint64_t>(n);
    }
    return true;
}

// False: nothing more of what came with it can be used.
bool artifact_upload::store(const piece& p) {
    auto bytes = p.bytes.view();
    if (p.position + bytes.size() <= position_) return true;
    if (p.position > position_ || index_ == all_.size()) return true;  // of no use: what is told says where to go on
    bytes.remove_prefix(static_cast<std::size_t>(position_ - p.position));
    const auto end = begin_ + all_[index_].size;
    bytes = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), end - position_)));
    if (!write_at(file_.get(), bytes, position_ - begin_)) {
        fail_of_disk(system_problem("cannot write", path_));
        return false;
    }
    hash_->feed(bytes);
    position_ += bytes.size();
    if (durable_ && position_ - begin_ - flushed_ >= k_chunk) {
        ::sync_file_range(file_.get(), static_cast<off64_t>(flushed_),
                          static_cast<off64_t>(position_ - begin_ - flushed_), SYNC_FILE_RANGE_WRITE);
        flushed_ = position_ - begin_;
    }
    return position_ < end || (close_partial() && go_on());
}

bool artifact_upload::close_partial() {
    const auto& done = all_[index_];
    if (const auto found = std::exchange(hash_, std::nullopt)->hex(); found != done.sha256) {
        file_ = owned_fd();
        ::unlink(part_of(path_, done).c_str());
        fail("infra_runner", "artifact_changed",
             sdk::concat("artifact ", done.name, ": expected SHA-256 ", done.sha256, ", found ", found,
                         " when it had arrived"));
        return false;
    }
    if (auto kept = store_->keep(done, part_of(path_, done), file_.get(), durable_); !kept) {
        fail_of_disk(kept.error());
        return false;
    }
    if (room_) room_->used(done.size);
    held_.push_back(done);
    file_ = owned_fd();
    begin_ += done.size;
    position_ = begin_;
    ++index_;
    return true;
}

void artifact_upload::fail(std::string cls, std::string code, std::string message) {
    fault_ = artifact_fault{std::move(cls), std::move(code), std::move(message)};
    room_.reset();
}

void artifact_upload::fail_of_disk(const problem& why) {
    SIGRUN_LOG(logs::jobs, warning, "artifacts cannot be stored: ", why.text());
    fail("infra_dependency", "artifact_store", "the controller cannot store artifacts: " + why.text());
}

}  // namespace sigrun
