// A runner that was lost comes back while its job waits to run again. As long as no other runner was given the job, the token
// of the lost attempt is the one granted last: the runner keeps its work, or its result counts. Had another one been offered
// the job, the first would be told to stop, and its result be thrown away.
//
// Only attempts that were lost while they ran: an offer that was taken back has had its token revoked.
#include "kernel/job/engine.hpp"

namespace sigrun {

bool job_engine::may_return(job& j, std::string_view token) {
    const attempt* last = j.current();
    return j.state == job_state::queued && !j.settling && last && last->may_return && last->token == token;
}

// As if it had not been lost: it costs nothing of any budget, and the runner is as good as another one again.
void job_engine::take_up_again(job& j) {
    attempt& a = *j.current();
    if (std::exchange(j.waiting, false)) queue_.remove(j);
    count_waiting(j, false);
    release_retry(j);
    j.denied = false;
    j.due.clear({deadline::retry, deadline::backoff});
    if (j.infrastructure_tries) --j.infrastructure_tries;
    std::erase_if(j.failed_on.make(), [&](const member_ptr& m) { return m->info->uid() == a.runner; });
    a.may_return = a.may_run = false;
    // After a restart the log does not know yet where in it this attempt began.
    if (j.output()) j.output()->resume_attempt(a.log_begin);
    a.state = attempt_state::running;
    a.finished_ns = 0;
    a.why = {};
    a.counted = true;
    budget_.began(*j.spec->cls);
    j.state = job_state::running;
    j.reason.clear();
    // Until it is bound to the link that says so: that one may be lost before.
    j.due[deadline::lease] = clock_.now() + tuned_.lease.load();
    publish(j, job_state::queued);
}

}  // namespace sigrun
