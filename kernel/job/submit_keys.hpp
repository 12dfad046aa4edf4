// Idempotency keys: which submit was answered with which job, so that who asks again gets that job and not another one.
//
// A key lives as long as its job is kept, and at least for `keep` after the job's end, also when the job itself is forgotten
// sooner. How many there may be is bounded: beyond it a new key is refused, for one that were dropped early would let its job run
// twice. [any], one lock; O(1) but for the order of expiry.
#pragma once

#include "kernel/job/job.hpp"
#include "kernel/store/journal.hpp"

#include <array>
#include <queue>
#include <unordered_map>

namespace sigrun {

/// What is left of a job that is no longer kept.
struct past_job {
    job_state state = job_state::failed;
    std::optional<int> exit_code;
    failure why;
    std::int64_t submitted_ns = 0, started_ns = 0, finished_ns = 0;  // wall clock
};

class submit_keys {
public:
    /// Two submits are the same if they mean the same: the order of members, spaces and the way numbers are written do not
    /// count, nor whether the payload stood in the document or beside it.
    using fingerprint = std::array<std::uint8_t, 16>;  // the first half of a SHA-256
    static fingerprint fingerprint_of(std::string_view document, std::string_view payload);

    /// Who has the key.
    struct holder {
        id job{};
        bool same = false;               // was submitted with the same document and payload
        std::optional<past_job> past{};  // the job is no longer kept
    };

    void limit(nanoseconds keep, std::size_t most);
    /// Nothing: the key is `job`'s from now on. busy: there are too many keys.
    result<std::optional<holder>> take(const std::string& tenant, const std::string& key, const id& job,
                                       std::string_view document, std::string_view payload);
    /// The job was not accepted after all.
    void drop(const std::string& tenant, const std::string& key);
    /// Of a key that was taken.
    journal_record record_of(const std::string& tenant, const std::string& key) const;
    /// Its job is no longer kept; `stored` tells whether the disk knows the key. The record of what is left, or of its
    /// removal if its time is over.
    journal_record retire(const std::string& tenant, const std::string& key, past_job what, bool stored,
                          std::int64_t now_ns);
    /// Removes keys whose time is over, `most` at once. The records that say so to the disk.
    std::vector<journal_record> expire(std::int64_t now_ns, std::size_t most);

    void restore(std::string_view key, std::string_view body);
    /// After the last job was restored: removes keys of jobs that nobody knows.
    std::vector<journal_record> remove_orphans(const std::function<bool(const id&)>& known);
    std::size_t size() const;

private:
    struct entry {
        id job{};
        fingerprint print{};
        bool old_print = false;  // of a record of an earlier version: libstdc++'s hash of the text as it came
        bool stored = true;
        std::unique_ptr<past_job> past;
    };
    using table = std::unordered_map<std::string, entry>;
    journal_record record(const table::value_type& of) const;
    bool over(std::int64_t finished_ns, std::int64_t now_ns) const noexcept;

    mutable std::mutex mutex_;
    nanoseconds keep_ = std::chrono::hours(24);
    std::size_t most_ = 1'000'000;
    table keys_;
    using due = std::pair<std::int64_t, const std::string*>;  // end of the job, key
    std::priority_queue<due, std::vector<due>, std::greater<>> ended_;
};

}  // namespace sigrun
