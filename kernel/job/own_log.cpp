// The output of a copy is in a log of its own as long as another attempt writes to that of the job. It goes there when the copy has
// ended as the attempt that counts, so that the job has one log, of its attempts one after another.
#include "kernel/job/engine.hpp"
#include "kernel/job/log_syncer.hpp"
#include "kernel/log/loggers.hpp"

namespace sigrun {

// The live attempt has ended, and its output is elsewhere. On the thread that waits for the disk: there may be much of it. Until
// then the job shows its former state, as one whose end is on its way to the disk.
void job_engine::join_own_log(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable) {
    j->settling = true;
    j->due.clear({deadline::lease, deadline::offer, deadline::hedge});
    if (!j->log) j->log = logs_.open(j->uid, home_of(*j));
    auto join = [this, j, into = j->log, own = j->own_log, how = std::move(how),
                 durable = std::move(durable)]() mutable {
        const auto begin = into->begin_attempt_with(own);
        if (!begin) SIGRUN_LOG(logs::jobs, warning, "output of ", j->uid.text(), " is lost: ", begin.error().text());
        job_lock relock(j->mutex);
        attempt& a = *j->current();
        a.own_log = false;
        a.log_begin = begin ? *begin : into->size();
        j->own_log.reset();
        j->settling = false;
        attempt_ended(j, relock, std::move(how), std::move(durable));
        own->erase();
    };
    auto log = j->own_log;
    lock.unlock();
    logs_.syncer().sync(log, std::move(join));
}

std::shared_ptr<job_log> job_engine::log_of(const job_ptr& j, std::uint32_t number) {
    std::lock_guard lock(j->mutex);
    for (const auto& a : j->attempts) {
        if (a.number != number || !a.own_log) continue;
        if (j->own_log && &a == j->current()) return j->own_log;
        if (j->beside && j->beside->number == number && !j->beside->leaving) {
            if (!j->beside->log) j->beside->log = logs_.open(j->uid, number, home_of(*j));
            return j->beside->log;
        }
        return logs_.open(j->uid, number);
    }
    return nullptr;
}

}  // namespace sigrun
