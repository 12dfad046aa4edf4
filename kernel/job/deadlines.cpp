// What happens to a job when a time is over.
#include "kernel/job/engine.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {

void job_engine::arm(job& j) {
    time_point next = j.beside ? j.beside->next() : time_point::max();
    next = std::min(next, j.due.first_of({deadline::hold, deadline::settle, deadline::save}));
    // The others are about a job that goes on.
    if (!is_terminal(j.state) && !j.settling)
        next = std::min(next, j.due.first_of({deadline::offer, deadline::lease, deadline::run, deadline::cancel,
                                              deadline::doubt, deadline::proven, deadline::reoffer, deadline::start,
                                              deadline::total, deadline::hedge}));
    if (j.state == job_state::queued)
        next =
            std::min(next, j.due.first_of({deadline::queue, deadline::retry, deadline::patient, deadline::signature}));
    if (j.state == job_state::delayed || j.state == job_state::blocked)
        next = std::min(next, j.due.first_of({deadline::not_before}));
    if (next == time_point::max())
        timers_.disarm(j);
    else
        timers_.arm(j, next);
}

// Of timeouts.total, by the wall clock: over restarts of the daemon there is no other one that counts.
nanoseconds job_engine::left_of_total(const job& j) const {
    return j.spec->total_timeout - nanoseconds(clock_.wall_ns() - j.submitted_ns);
}

// timeouts.total: the job ends, wherever it is.
void job_engine::total_over(const job_ptr& j, job_lock& lock) {
    constexpr std::chrono::seconds k_grace{10};
    j->overdue = true;
    stop_job(j, lock, k_grace);
}

// The runner said yes. A runner of the legacy contract may keep jobs in a queue of its own, so there only the document's word
// counts. Under the job's lock.
void job_engine::expect_start(job& j) const {
    if (!j.spec->start_timeout.count() || (j.current()->foreign && !j.spec->names_start_timeout)) return;
    j.due[deadline::start] = clock_.now() + j.spec->start_timeout;
}

// It has been accepted, and nothing has been heard since: not that it runs, nor output, nor its end.
void job_engine::not_started(const job_ptr& j, job_lock& lock) {
    const attempt& a = *j->live();
    const auto via = a.via;
    const auto token = a.token;
    const auto number = a.number;
    ending how;
    how.why = {failure_class::infra_runner, "start_timeout",
               "the runner accepted it, but did not start it within timeouts.start (" +
                   format_duration(j->spec->start_timeout) + ")"};
    attempt_ended(j, lock, std::move(how));
    // Should it come to itself after all, it must not begin.
    auto uid = j->uid.chars();
    sigrun_attempt which{sizeof(sigrun_attempt), number, {uid.data(), uid.size()}, sdk::str(token)};
    if (via) via->cancel(which, nanoseconds(0));
}

void job_engine::on_timer(const job_ptr& j) {
    if (halted_) return;
    const auto now = clock_.now();
    auto passed = [now](deadlines::entry t) {
        if (!t.is_set() || t > now) return false;
        t = {};
        return true;
    };
    job_lock lock(j->mutex);
    attempt* a = j->current();
    if (passed(j->due[deadline::save])) save_again(j);
    if (j->beside && j->beside->next() <= now) return other_is_due(j, lock);
    if (passed(j->due[deadline::hold]) && a && (a->holds_place || a->may_run)) {
        auto where = std::exchange(a->holds_place, false) ? a->where : nullptr;
        auto place = a->place;
        arm(*j);
        if (a->may_run) over_there(j, lock);
        if (lock) lock.unlock();
        if (where) place_free(where, place);
        return;
    }
    if (j->settling && j->due.has(deadline::settle) && j->due[deadline::settle] <= now) {
        auto again = j->settle_again.take();
        j->due[deadline::settle] = now + std::chrono::hours(1);  // not once more while this one is on its way
        lock.unlock();
        if (again) again(j);
        return;
    }
    if (is_terminal(j->state) || j->settling) return arm(*j);
    if (passed(j->due[deadline::total]) && !j->cancelling) return total_over(j, lock);
    if (j->state == job_state::delayed && passed(j->due[deadline::not_before])) return start_is_due(j, lock);
    if (j->state == job_state::blocked && passed(j->due[deadline::not_before])) {
        lock.unlock();
        return let_in(*j->spec->group->group);
    }
    if (j->state == job_state::queued && passed(j->due[deadline::queue])) {
        ending how;
        how.state = job_state::expired;
        how.why = {failure_class::unschedulable, "queue_timeout", "no place was found in time; it " + j->reason.text()};
        return finish(j, lock, std::move(how), {});
    }
    if (j->state == job_state::queued && !j->settling && passed(j->due[deadline::signature]))
        return signature_over(j, lock);
    if (j->state == job_state::offered && passed(j->due[deadline::offer])) {
        if (a->sent && !j->spec->idempotent) {
            // It may be running there, and must not run twice: only the runner can tell.
            j->reason = "its runner did not answer the offer; the job must not run twice, so it waits for an answer";
            j->due[deadline::lease] = now + options_.lost_after;
            return arm(*j);
        }
        auto number = a->number;
        if (a->sent && reroute(j, lock)) return;
        if (lock) lock.unlock();
        return take_back(j, number, attempt_state::lost,
                         {failure_class::infra_runner, "no_ack", "the runner did not answer the offer"}, true);
    }
    if (passed(j->due[deadline::doubt]) && j->live()) doubt_now(*j, *a);
    if (passed(j->due[deadline::hedge])) return hedge(j, lock);
    if (passed(j->due[deadline::reoffer])) {
        if (j->state == job_state::offered) return offer_another(j, lock);
        return arm(*j);
    }
    if (passed(j->due[deadline::proven])) {
        if (a && j->live() && std::exchange(j->holds_retry, false)) {
            a->counted = true;
            budget_.proven(*j->spec->cls);
        }
        arm(*j);
        lock.unlock();
        return wake_retries();
    }
    if (passed(j->due[deadline::cancel]) && j->cancelling && j->live()) return send_cancel(j, lock);
    if (passed(j->due[deadline::start]) && j->state == job_state::running && !j->cancelling)
        return not_started(j, lock);
    if (passed(j->due[deadline::run])) {
        ending how;
        how.why = {failure_class::user_timeout, "run_timeout",
                   "ran longer than " + format_duration(j->spec->run_timeout)};
        how.runner_unknown = true;
        return attempt_ended(j, lock, std::move(how));
    }
    if (passed(j->due[deadline::lease]) && j->live()) {
        bool silent = j->state == job_state::offered && !j->spec->idempotent;
        if (a->via && a->via->alive() && !j->cancelling && !silent) return arm(*j);
        if (j->state == job_state::offered && j->spec->idempotent && !j->cancelling) {
            auto number = a->number;
            lock.unlock();
            return take_back(j, number, attempt_state::lost,
                             {failure_class::infra_runner, "lost", "the offer never arrived"}, false);
        }
        ending how;
        how.runner_unknown = j->cancelling && !never_arrived(*a);
        how.why = {failure_class::infra_runner, "lost", "the runner was lost while it ran the job"};
        if (!j->spec->idempotent && !j->cancelling) {
            // Never run again blindly: wait for the runner's word, then say that nobody knows.
            if (j->reason.empty()) {
                j->reason = "its runner was lost; the job must not run twice, so it waits for the runner to come back";
                j->due[deadline::lease] = now + options_.lost_after;
                return arm(*j);
            }
            how.why.code = "outcome_unknown";
        }
        return attempt_ended(j, lock, std::move(how));
    }
    if (a && a->may_run && j->state == job_state::queued && passed(j->due[deadline::retry])) return over_there(j, lock);
    const bool impatient = passed(j->due[deadline::patient]);
    if (j->state == job_state::queued && (passed(j->due[deadline::retry]) || impatient)) {
        // It looks for itself: whose turn it is among those that wait does not matter for a place that all others leave.
        if (std::exchange(j->waiting, false)) queue_.remove(*j);
        lock.unlock();
        return enqueue(j);
    }
    arm(*j);
}

}  // namespace sigrun
