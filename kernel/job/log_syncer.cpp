#include "kernel/job/log_syncer.hpp"

#include "kernel/log/loggers.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_again{1};

}  // namespace

log_syncer::request& log_syncer::ask_for(const std::shared_ptr<job_log>& log) {
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    auto& r = waiting_[log.get()];
    r.log = log;
    return r;
}

void log_syncer::sync(const std::shared_ptr<job_log>& log, callback done) {
    {
        std::lock_guard lock(mutex_);
        if (ending_) return;
        ask_for(log).others.push_back(std::move(done));
    }
    changed_.notify_one();
}

void log_syncer::sync_newest(const std::shared_ptr<job_log>& log, callback done) {
    {
        std::lock_guard lock(mutex_);
        if (ending_) return;
        ask_for(log).newest.swap(done);
    }
    changed_.notify_one();
}

void log_syncer::stop() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void log_syncer::work() {
    pthread_setname_np(pthread_self(), "sigrun-logs");
    std::unique_lock lock(mutex_);
    for (;;) {
        if (refused_) changed_.wait_for(lock, k_again, [this] { return ending_; });
        changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        auto some = std::exchange(waiting_, {});
        lock.unlock();
        round(std::move(some));
        lock.lock();
        if (ending_ && refused_) waiting_.clear();
    }
}

void log_syncer::round(requests some) {
    requests later;
    const bool together = some.size() > k_few;
    // What is appended while the disk is waited for may not be there afterwards.
    std::map<const job_log*, std::uint64_t> sizes;
    if (together)
        for (const auto& [key, r] : some) sizes.emplace(key, r.log->size());
    const bool all = together && sync_all();
    for (auto& [key, r] : some) {
        result<void> there;
        if (!together)
            there = r.log->sync();
        else if (all)
            r.log->note_synced(sizes[key]);
        else
            there = make_problem(errc::io, "the disk refused");
        if (!there) {
            SIGRUN_LOG(logs::jobs, debug, "output cannot be brought to the disk: ", there.error().text());
            later.emplace(key, std::move(r));
            continue;
        }
        for (const auto& done : r.others) done();
        if (r.newest) r.newest();
    }
    std::lock_guard lock(mutex_);
    if (!later.empty() && !refused_)
        SIGRUN_LOG(logs::jobs, warning, later.size(), " logs cannot be brought to the disk");
    refused_ = !later.empty();
    for (auto& [key, r] : later) {
        auto& now = waiting_[key];
        now.log = r.log;
        if (!now.newest) now.newest = std::move(r.newest);
        now.others.insert(now.others.begin(), std::make_move_iterator(r.others.begin()),
                          std::make_move_iterator(r.others.end()));
    }
}

bool log_syncer::sync_all() const {
    const int fd = ::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool done = ::syncfs(fd) == 0;
    ::close(fd);
    return done;
}

}  // namespace sigrun
