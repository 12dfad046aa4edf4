// Collects appended records into batches and keeps one batch at the store at a time. Knows no plugin: the way
// out is three functions, so that every order of events can be tested. [any]; callbacks run without a lock
// held.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"
#include "kernel/store/journal.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace sigrun {

class group_commit : public std::enable_shared_from_this<group_commit> {
public:
    using stored_callback = std::function<void(result<void>)>;
    using batch = std::vector<const journal_record*>;
    struct outlet {
        /// Writes one transaction and answers exactly once, on any thread; the records are borrowed until
        /// then.
        std::function<void(const batch&, bool fsync, stored_callback)> write;
        /// Runs the task once after the delay.
        std::function<void(nanoseconds, std::function<void()>)> later;
        /// Runs the task soon, not on the caller's stack; tasks keep their order.
        std::function<void(std::function<void()>)> post;
        /// Runs the task soon, on another thread than that of `write`'s answers; tasks keep their order. So the store begins the
        /// next batch while those of the last one are told. May be empty: then they are told first.
        std::function<void(std::function<void()>)> tell{};
        /// Another owner has the shard, and nothing will be stored any more; once, with the reason. May be empty.
        std::function<void(const std::string&)> fenced{};
    };

    static constexpr std::size_t k_close_at = 100;  // records that close a batch while the store is idle
    static constexpr std::size_t k_batch = 4'000;   // records of one batch, unless one call alone has more
    static constexpr std::size_t k_batch_bytes = 16 << 20;
    static constexpr std::size_t k_max_waiting = 100'000;  // records
    static constexpr std::size_t k_max_waiting_bytes = 256 << 20;
    static constexpr nanoseconds k_linger = std::chrono::milliseconds(1);
    static constexpr nanoseconds k_retry = std::chrono::seconds(1);

    explicit group_commit(outlet way, const clock& time = clock::system());

    void append(std::vector<journal_record> records, bool fsync, stored_callback stored);
    std::string failed() const;
    std::size_t waiting() const;  // records
    void flush();
    /// No batch begins until resume. Waits until the one at the store has ended, but no longer than `patience`. What is
    /// appended meanwhile waits, as it does behind a slow batch.
    void hold(nanoseconds patience);
    void resume();
    /// Refuses everything from now on; what waits is still written.
    void close();

private:
    struct call {
        std::vector<journal_record> records;
        std::size_t bytes = 0;
        bool fsync = false;
        stored_callback stored;
    };
    using group = std::deque<call>;

    void pump(bool due);
    bool next_group(bool due, group& out);
    void write(std::shared_ptr<group> g);
    void finish(const std::shared_ptr<group>& g, const result<void>& outcome);
    void fail_all(group& out, const problem& why);
    void answer(group& calls, const result<void>& outcome) noexcept;
    void tell(group& calls, const result<void>& outcome);
    void retry_later();

    const outlet way_;
    const clock& time_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    group calls_;                // not yet in a batch
    std::deque<group> redo_;     // parts of a batch that one of its calls spoiled; go before calls_
    time_point oldest_{};        // arrival of the first of calls_
    std::size_t collected_ = 0;  // records in calls_
    std::size_t fsyncs_ = 0;     // calls in calls_ that want fsync
    std::size_t waiting_ = 0;    // records not answered yet
    std::size_t waiting_bytes_ = 0;
    std::uint64_t appended_ = 0, answered_ = 0;  // calls
    bool writing_ = false;
    bool held_ = false;
    bool lingering_ = false;
    bool retrying_ = false;
    bool fenced_ = false;
    bool closed_ = false;
    std::string failed_;
};

}  // namespace sigrun
