// Jobs that are not to start before a time: `start_at` and `delay` of the document.
//
// Such a job is `delayed`: it stands in no queue and costs one timer. Its time of timeouts.queue and its age begin with its start.
// It counts among those that wait (jobs.max_waiting), since it needs their memory.
#include "kernel/job/engine.hpp"

namespace sigrun {
namespace {

// So little before its time a job may start: the two clocks do not tick alike.
constexpr nanoseconds k_close_enough = std::chrono::milliseconds(1);

}  // namespace

// At submit; nobody else knows the job yet.
result<void> job_engine::delay_start(job& j) const {
    const auto& spec = *j.spec;
    if (!spec.start_at_ns && !spec.delay.count()) return {};
    j.start_ns = spec.start_at_ns ? spec.start_at_ns : j.submitted_ns + spec.delay.count();
    const nanoseconds left(j.start_ns - j.submitted_ns);
    if (left > k_longest_delay)
        return bad_value("start_at", "a time within " + format_duration(k_longest_delay), to_rfc3339(j.start_ns));
    if (left <= k_close_enough) return {};
    j.state = job_state::delayed;
    j.reason = "delayed until " + to_rfc3339(j.start_ns);
    waits_from(j, left);
    j.due[deadline::not_before] = j.waits_since;
    return {};
}

// It was blocked, and its time may not have come. Under its lock.
bool job_engine::delay_from_now(job& j) const {
    if (!j.start_ns) return false;
    const nanoseconds left(j.start_ns - clock_.wall_ns());
    if (left <= k_close_enough) return false;
    j.state = job_state::delayed;
    j.reason = "delayed until " + to_rfc3339(j.start_ns);
    waits_from(j, left);
    j.due[deadline::not_before] = j.waits_since;
    return true;
}

// It is accepted.
void job_engine::begin_wait(const job_ptr& j) {
    if (!j->start_ns && !j->spec->group) return enqueue(j);
    bool blocked = false;
    {
        job_lock lock(j->mutex);
        if (j->settling) return;  // cancelled as soon as its submitter had its answer
        if (j->state == job_state::delayed) return hold_until_start(*j);
        blocked = j->state == job_state::blocked;
    }
    blocked ? go_on(j) : enqueue(j);
}

// Under its lock.
void job_engine::hold_until_start(job& j) {
    count_waiting(j, true);
    arm(j);
}

void job_engine::start_is_due(const job_ptr& j, job_lock& lock) {
    // `start_at` is a time of the wall clock, which may have been set back since.
    const nanoseconds left = j->spec->start_at_ns ? nanoseconds(j->start_ns - clock_.wall_ns()) : nanoseconds(0);
    if (left > k_close_enough) {
        waits_from(*j, left);
        j->due[deadline::not_before] = j->waits_since;
        return arm(*j);
    }
    if (j->spec->group) {
        j->state = job_state::blocked;
        j->due[deadline::not_before] = {};
        publish(*j, job_state::delayed);
        lock.unlock();
        return go_on(j);
    }
    j->state = job_state::queued;
    j->reason.clear();
    publish(*j, job_state::delayed);
    lock.unlock();
    enqueue(j);
}

}  // namespace sigrun
