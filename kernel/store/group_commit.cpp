#include "kernel/store/group_commit.hpp"

#include "kernel/log/loggers.hpp"

#include <atomic>

namespace sigrun {
namespace {

/// The record of no meaning that finds out whether a failed store works again: deleting what is not there is
/// a write.
std::vector<journal_record> trial() { return {{record_kind::setting, "journal.trial", "", SIGRUN_RECORD_DELETE}}; }

/// Errors that are about a record and not about the store.
bool is_about_a_record(errc code) noexcept {
    return code == errc::conflict || code == errc::invalid || code == errc::too_large;
}

}  // namespace

group_commit::group_commit(outlet way, const clock& time) : way_(std::move(way)), time_(time) {}

void group_commit::append(std::vector<journal_record> records, bool fsync, stored_callback stored) {
    std::size_t bytes = 0;
    for (const auto& r : records) bytes += sizeof r + r.key.size() + r.body.size();
    const std::size_t n = records.size();
    result<void> refusal;
    {
        std::lock_guard lock(mutex_);
        if (fenced_) {
            refusal = make_problem(errc::unavailable, failed_);
        } else if (closed_) {
            refusal = make_problem(errc::cancelled, "the journal is closed");
        } else if (n > k_max_waiting || bytes > k_max_waiting_bytes) {
            refusal = make_problem(errc::too_large, "more records in one append than the journal may hold");
        } else if (waiting_ + n > k_max_waiting || waiting_bytes_ + bytes > k_max_waiting_bytes) {
            refusal = problem{
                errc::busy, "the store is behind: " + std::to_string(waiting_) + " records wait", {}, {}, {}, 100};
        } else if (n) {
            if (calls_.empty()) oldest_ = time_.now();
            calls_.push_back({std::move(records), bytes, fsync, std::move(stored)});
            collected_ += n;
            waiting_ += n;
            waiting_bytes_ += bytes;
            fsyncs_ += fsync;
            ++appended_;
        }
        if (!refusal || !n) {
            // Answered from elsewhere: the caller may hold locks that its callback needs.
            if (stored) way_.post([stored = std::move(stored), refusal] { stored(refusal); });
            return;
        }
    }
    pump(false);
}

void group_commit::pump(bool due) {
    auto g = std::make_shared<group>();
    {
        std::lock_guard lock(mutex_);
        if (writing_ || held_ || !next_group(due, *g)) return;
        writing_ = true;
    }
    write(std::move(g));
}

/// Under the lock. False: nothing to write now; a timer is set if something lingers.
bool group_commit::next_group(bool due, group& out) {
    if (!redo_.empty()) {
        out = std::move(redo_.front());
        redo_.pop_front();
        return true;
    }
    if (calls_.empty()) return false;
    if (!due && !fsyncs_ && collected_ < k_close_at && time_.now() - oldest_ < k_linger) {
        if (!lingering_) {
            lingering_ = true;
            way_.later(k_linger, [weak = weak_from_this()] {
                if (auto self = weak.lock()) {
                    {
                        std::lock_guard lock(self->mutex_);
                        self->lingering_ = false;
                    }
                    self->pump(true);
                }
            });
        }
        return false;
    }
    std::size_t records = 0, bytes = 0;
    while (!calls_.empty()) {
        const auto& next = calls_.front();
        if (records && (records + next.records.size() > k_batch || bytes + next.bytes > k_batch_bytes)) break;
        records += next.records.size();
        bytes += next.bytes;
        fsyncs_ -= next.fsync;
        out.push_back(std::move(calls_.front()));
        calls_.pop_front();
    }
    collected_ -= records;
    return true;
}

void group_commit::write(std::shared_ptr<group> g) {
    batch records;
    bool fsync = false;
    for (const auto& c : *g) {
        fsync = fsync || c.fsync;
        for (const auto& r : c.records) records.push_back(&r);
    }
    // A store that answers before its call returned must not run continuations on the appender's stack.
    auto returned = std::make_shared<std::atomic<bool>>(false);
    auto stored = [self = shared_from_this(), g, returned](const result<void>& outcome) {
        if (*returned)
            self->finish(g, outcome);
        else
            self->way_.post([self, g, outcome] { self->finish(g, outcome); });
    };
    try {
        way_.write(records, fsync, stored);
    } catch (const std::exception& e) {
        stored(make_problem(errc::internal, e.what()));
    }
    *returned = true;
}

void group_commit::finish(const std::shared_ptr<group>& g, const result<void>& outcome) {
    group answered;
    std::string fenced;
    {
        std::lock_guard lock(mutex_);
        if (outcome) {
            if (!failed_.empty()) SIGRUN_LOG(logs::store, warning, "the store works again");
            failed_.clear();
            answered.swap(*g);
        } else if (is_about_a_record(outcome.error().code)) {
            // Halves keep the order of the calls, and find the one at fault in few transactions.
            if (g->size() > 1) {
                group second;
                const auto middle = g->begin() + static_cast<std::ptrdiff_t>(g->size() / 2);
                std::move(middle, g->end(), std::back_inserter(second));
                g->erase(middle, g->end());
                redo_.push_front(std::move(second));
                redo_.push_front(std::move(*g));
            } else {
                answered.swap(*g);
            }
        } else {
            answered.swap(*g);
            const bool before = fenced_;
            fail_all(answered, outcome.error());
            if (fenced_ && !before) fenced = failed_;
        }
    }
    // First: who is answered must not begin anything new.
    if (!fenced.empty() && way_.fenced) way_.fenced(fenced);
    if (way_.tell) {
        auto later = std::make_shared<group>(std::move(answered));
        way_.tell([self = shared_from_this(), later, outcome] {
            self->tell(*later, outcome);
            later->clear();
        });
    } else {
        tell(answered, outcome);
    }
    {
        std::lock_guard lock(mutex_);
        writing_ = false;
    }
    changed_.notify_all();
    pump(false);
}

void group_commit::tell(group& calls, const result<void>& outcome) {
    answer(calls, outcome);
    {
        std::lock_guard lock(mutex_);
        for (const auto& c : calls) {
            waiting_ -= c.records.size();
            waiting_bytes_ -= c.bytes;
        }
        answered_ += calls.size();
    }
    changed_.notify_all();
}

/// Under the lock: everything that waits shares the fate of the batch.
void group_commit::fail_all(group& out, const problem& why) {
    for (auto& g : redo_) std::move(g.begin(), g.end(), std::back_inserter(out));
    std::move(calls_.begin(), calls_.end(), std::back_inserter(out));
    redo_.clear();
    calls_.clear();
    collected_ = fsyncs_ = 0;
    if (failed_.empty()) SIGRUN_LOG(logs::store, error, "nothing can be stored: ", why.text());
    failed_ = why.text();
    fenced_ = why.code == errc::forbidden;
    if (!fenced_) retry_later();
}

/// Under the lock. Without this a store whose users stop appending while it is failed would stay failed.
void group_commit::retry_later() {
    if (retrying_ || closed_) return;
    retrying_ = true;
    way_.later(k_retry, [weak = weak_from_this()] {
        auto self = weak.lock();
        if (!self) return;
        {
            std::lock_guard lock(self->mutex_);
            self->retrying_ = false;
            if (self->failed_.empty()) return;
        }
        self->append(trial(), true, {});
    });
}

void group_commit::answer(group& calls, const result<void>& outcome) noexcept {
    for (auto& c : calls) {
        if (!c.stored) continue;
        try {
            c.stored(outcome);
        } catch (const std::exception& e) {
            SIGRUN_LOG(logs::store, error, "the continuation of an append failed: ", std::string_view(e.what()));
        }
    }
}

std::string group_commit::failed() const {
    std::lock_guard lock(mutex_);
    return failed_;
}

std::size_t group_commit::waiting() const {
    std::lock_guard lock(mutex_);
    return waiting_;
}

void group_commit::flush() {
    pump(true);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, until = appended_] { return answered_ >= until; });
}

void group_commit::hold(nanoseconds patience) {
    std::unique_lock lock(mutex_);
    held_ = true;
    changed_.wait_for(lock, patience, [this] { return !writing_; });
}

void group_commit::resume() {
    {
        std::lock_guard lock(mutex_);
        held_ = false;
    }
    pump(true);
}

void group_commit::close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
}

}  // namespace sigrun
