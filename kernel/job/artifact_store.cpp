#include "kernel/job/artifact_store.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/guard/sha256.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace sigrun {
namespace {

namespace fs = std::filesystem;
// Left to the rest of the daemon, whose journal is on the same disk more often than not.
constexpr std::uint64_t k_left_free = 64u << 20;

std::int64_t wall_seconds() { return clock::system().wall_ns() / 1'000'000'000; }

result<void> sync_folder(const std::string& path) {
    const owned_fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0) return system_problem("cannot bring to the disk", path);
    return {};
}

}  // namespace

std::string artifact_store::path_of(const std::string& sha256) const {
    return dir_ + "/" + sha256.substr(0, 2) + "/" + sha256.substr(2);
}

result<void> artifact_store::open() {
    for (const auto& path : {dir_, dir_ + "/partial"})
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_problem("cannot make", path);
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(dir_, ec)) {
        const auto name = entry.path().filename().string();
        if (name.size() == 2) SIGRUN_CHECK_OK(scan(entry.path().string()));
    }
    if (ec) return problem{errc::io, "cannot be read: " + ec.message(), dir_};
    return {};
}

result<void> artifact_store::scan(const std::string& folder) {
    std::error_code ec;
    const auto front = folder.substr(folder.size() - 2);
    std::lock_guard lock(mutex_);
    for (const auto& entry : fs::directory_iterator(folder, ec)) {
        const auto sha256 = front + entry.path().filename().string();
        struct stat about {};
        if (!is_sha256_hex(sha256) || ::lstat(entry.path().c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
        content c;
        c.size = static_cast<std::uint64_t>(about.st_size);
        c.written_s = about.st_mtime;
        bytes_ += c.size;
        contents_[sha256] = c;
    }
    if (ec) return problem{errc::io, "cannot be read: " + ec.message(), folder};
    return {};
}

void artifact_store::set_limits(const artifact_limits& now) {
    std::lock_guard lock(mutex_);
    limits_ = now;
}

artifact_limits artifact_store::limits() const {
    std::lock_guard lock(mutex_);
    return limits_;
}

bool artifact_store::hold(const artifact& what) {
    std::lock_guard lock(mutex_);
    const auto at = contents_.find(what.sha256);
    if (at == contents_.end() || at->second.size != what.size) return false;
    ++at->second.held;
    return true;
}

bool artifact_store::has(const artifact& what) const {
    std::lock_guard lock(mutex_);
    const auto at = contents_.find(what.sha256);
    return at != contents_.end() && at->second.size == what.size;
}

void artifact_store::let_go(const artifact& what) {
    std::lock_guard lock(mutex_);
    const auto at = contents_.find(what.sha256);
    if (at == contents_.end() || at->second.held == 0 || --at->second.held > 0 || frozen_) return;
    // Under the lock: who wants to hold it comes before or after.
    if (::unlink(path_of(what.sha256).c_str()) != 0 && errno != ENOENT) {
        SIGRUN_LOG(logs::jobs, warning, "an artifact that nobody needs is not removed: ",
                   system_problem("cannot remove", path_of(what.sha256)).text());
        return;
    }
    bytes_ -= at->second.size;
    contents_.erase(at);
}

result<owned_fd> artifact_store::read(const artifact& what) const {
    const auto path = path_of(what.sha256);
    owned_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno == ENOENT) return problem{errc::not_found, "the content of this artifact is gone", what.name};
    if (!file) return system_problem("cannot open", path);
    struct stat about {};
    if (::fstat(file.get(), &about) != 0 || static_cast<std::uint64_t>(about.st_size) != what.size)
        return problem{errc::io, "the content of this artifact is damaged", path, std::to_string(what.size) + " bytes",
                       std::to_string(about.st_size)};
    return file;
}

// Of what nobody holds, if that is what it takes.
bool artifact_store::make_room(std::uint64_t bytes) {
    const auto fits = [&] {
        const auto used = bytes_ + reserved_;
        return used <= limits_.in_all && bytes <= limits_.in_all - used;
    };
    for (auto at = contents_.begin(); !fits() && at != contents_.end();) {
        const bool removed = !at->second.held && ::unlink(path_of(at->first).c_str()) == 0;
        if (removed) bytes_ -= at->second.size;
        at = removed ? contents_.erase(at) : std::next(at);
    }
    return fits();
}

void artifact_store::room::used(std::uint64_t bytes) {
    bytes = std::min(bytes, left_);
    left_ -= bytes;
    if (!alive_.lock()) return;
    std::lock_guard lock(store_.mutex_);
    store_.reserved_ -= bytes;
}

result<std::unique_ptr<artifact_store::room>> artifact_store::reserve(std::uint64_t bytes) {
    struct statvfs disk {};
    const bool known = ::statvfs(dir_.c_str(), &disk) == 0;
    const auto free = known ? static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize : 0;
    std::lock_guard lock(mutex_);
    if (!make_room(bytes))
        return problem{errc::unavailable,
                       sdk::concat("the artifacts of all jobs take ", format_size(bytes_ + reserved_), " of ",
                                   format_size(limits_.in_all), " (jobs.artifact_store_limit), and this job has ",
                                   format_size(bytes)),
                       "artifacts"};
    if (known && bytes > 0 && (free < k_left_free || bytes > free - k_left_free))
        return problem{errc::unavailable,
                       sdk::concat("the disk of the controller has ", format_size(free),
                                   " free, and the artifacts of this job take ", format_size(bytes)),
                       "artifacts"};
    reserved_ += bytes;
    return std::make_unique<room>(*this, bytes);
}

void artifact_store::when_turn(std::function<void(std::shared_ptr<void>)> mine) {
    {
        std::lock_guard lock(mutex_);
        turns_.push_back(std::move(mine));
    }
    next_turn();
}

void artifact_store::next_turn() {
    for (;;) {
        std::function<void(std::shared_ptr<void>)> next;
        {
            std::lock_guard lock(mutex_);
            if (turns_.empty() || uploading_ >= k_at_once) return;
            next = std::move(turns_.front());
            turns_.pop_front();
            ++uploading_;
        }
        next(std::shared_ptr<void>(this, [this, alive = std::weak_ptr(self_)](void*) {
            const auto held = alive.lock();
            if (!held) return;
            {
                std::lock_guard relock(mutex_);
                --uploading_;
            }
            next_turn();
        }));
    }
}

result<void> artifact_store::keep(const artifact& what, const std::string& path, int fd, bool durable) {
    if (durable && ::fdatasync(fd) != 0) return system_problem("cannot bring to the disk", path);
    const auto to = path_of(what.sha256);
    const auto folder = to.substr(0, to.rfind('/'));
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return system_problem("cannot make", folder);
    {
        std::lock_guard lock(mutex_);
        if (::rename(path.c_str(), to.c_str()) != 0) return system_problem("cannot rename", path);
        auto [at, fresh] = contents_.try_emplace(what.sha256);
        if (fresh) bytes_ += what.size;
        at->second.size = what.size;
        at->second.written_s = wall_seconds();
        ++at->second.held;
    }
    if (!durable) return {};
    auto there = sync_folder(folder);
    if (there) there = sync_folder(dir_);
    if (there)
        note_synced(what.sha256);
    else
        let_go(what);
    return there;
}

void artifact_store::note_synced(const std::string& sha256) {
    std::lock_guard lock(mutex_);
    if (const auto at = contents_.find(sha256); at != contents_.end()) at->second.synced = true;
}

result<void> artifact_store::make_durable(const artifact& what) {
    {
        std::lock_guard lock(mutex_);
        const auto at = contents_.find(what.sha256);
        if (at != contents_.end() && at->second.synced) return {};
    }
    SIGRUN_TRY(file, read(what));
    const auto path = path_of(what.sha256);
    if (::fdatasync(file.get()) != 0) return system_problem("cannot bring to the disk", path);
    SIGRUN_CHECK_OK(sync_folder(path.substr(0, path.rfind('/'))));
    SIGRUN_CHECK_OK(sync_folder(dir_));
    note_synced(what.sha256);
    return {};
}

std::size_t artifact_store::sweep() {
    const auto before = wall_seconds() - std::chrono::duration_cast<std::chrono::seconds>(k_unheld).count();
    std::size_t removed = 0;
    {
        std::lock_guard lock(mutex_);
        if (frozen_) return 0;
        for (auto at = contents_.begin(); at != contents_.end();) {
            const bool gone =
                !at->second.held && at->second.written_s < before && ::unlink(path_of(at->first).c_str()) == 0;
            if (gone) bytes_ -= at->second.size;
            removed += gone;
            at = gone ? contents_.erase(at) : std::next(at);
        }
    }
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(dir_ + "/partial", ec)) {
        struct stat about {};
        if (::lstat(entry.path().c_str(), &about) == 0 && about.st_mtime < before &&
            ::unlink(entry.path().c_str()) == 0)
            ++removed;
    }
    return removed;
}

artifact_store::figures artifact_store::count() const {
    std::lock_guard lock(mutex_);
    figures all{contents_.size(), bytes_, reserved_, 0};
    for (const auto& [name, each] : contents_) all.references += each.held;
    return all;
}

void artifact_store::stop() {
    {
        std::lock_guard lock(mutex_);
        frozen_ = true;
        turns_.clear();
    }
    worker_.stop();
}

artifact_set::artifact_set(std::shared_ptr<artifact_store> where, artifact_list all)
    : where_(std::move(where)), all_(std::move(all)) {
    for (const auto& each : all_)
        if (where_ && where_->hold(each)) held_.push_back(each);
}

artifact_set::~artifact_set() {
    for (const auto& each : held_) where_->let_go(each);
}

const artifact* artifact_set::find(std::string_view name) const noexcept {
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const artifact& a) { return a.name == name; });
    return at == all_.end() ? nullptr : &*at;
}

}  // namespace sigrun
