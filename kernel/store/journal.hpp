// Group commit in front of the store plugin. Callers append records and go on; one writer batches them.
// A batch closes after 100 records or 1 ms, at once when the writer is idle and the batch holds an fsync
// record; while a commit is in flight up to 4,000 more records collect. One outstanding batch.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/store.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

enum class record_kind : std::uint32_t { job = 1, runner = 2, idempotency = 3, setting = 4 };
struct journal_record {
    record_kind kind = record_kind::job;
    std::string key;
    std::string body;         // JSON
    std::uint32_t flags = 0;  // SIGRUN_RECORD_*
};

class journal {
public:
    /// `store` may be null: everything is answered as stored at once and nothing survives (no state
    /// directory).
    journal(plugin_host& host, std::shared_ptr<instance> store, metrics& metrics);
    ~journal();

    /// Before open. `tell` is called once, on any thread, when another controller has taken the shard: nothing is stored any
    /// more, and what this one believes of its jobs may be wrong from now on.
    void on_fenced(std::function<void(const std::string& why)> tell);

    /// Takes the shard (raising the epoch) and reads back every record, oldest first. Blocking; once, at
    /// start.
    result<std::uint64_t> open(
        const std::function<void(record_kind, std::string_view key, std::string_view body)>& each);
    /// [any] never blocks. `stored` runs on a thread of the journal's once the batch is durable (fsync) or committed
    /// (relaxed); it may be empty. Records of one call stay together in one transaction. conflict = an INSERT
    /// record existed (only the records of that call are refused, the rest of the batch is tried again
    /// without it); busy = more than 100,000 records wait; fenced or disk errors fail every waiting call and
    /// set failed().
    void append(std::vector<journal_record> records, bool fsync, std::function<void(result<void>)> stored);
    /// [any] never blocks. The store may give a part of the space of deleted records back to the disk. Done by itself each
    /// minute from open on.
    void compact();
    /// [any] never blocks. A copy of everything that was stored by then, as a new file, from which a daemon can start. `done` runs on
    /// the store's thread, with JSON {"bytes":n}.
    void copy(const std::string& target, std::function<void(result<buffer_ref>)> done);
    /// How much of the copy under way is done, and of how much; 0 of 0: there is none.
    std::pair<std::uint64_t, std::uint64_t> copy_progress() const;
    /// The reason why nothing can be stored now, or empty. A full disk heals by itself: the next append tries
    /// again.
    std::string failed() const;

    /// [ctl] Whether `now` can go on in the place of `old`, and would write to the same shard in the same life: it must
    /// confirm our epoch. What is appended meanwhile waits, two seconds at most. An `old` that is not ours may go.
    result<void> can_replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);
    /// [any] never blocks. The next batch goes to `now`. One that `old` has been given is stored there, and the next one
    /// begins after it: at no time do two of them write, and no record overtakes another. Always true.
    bool replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);

    /// Waits until everything appended before is stored or refused.
    void flush();
    void close();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun
